/// Turns a compressed stream into plain bytes as it comes in. One thread at a time uses it.
protocol StreamDecoder: AnyObject {
    /// Takes the next bytes of the stream, cut anywhere, and gives what they make to `output`, whose bytes are only there
    /// during the call.
    /// - Throws: ``CodecError``, or what `output` throws. Nothing can be decoded after that.
    func decode(_ input: UnsafeRawBufferPointer, into output: (UnsafeRawBufferPointer) throws -> Void) throws
    /// Says that the stream has ended.
    /// - Throws: ``CodecError`` when it ought to go on.
    func finish() throws
}

/// Compressed bytes that mean nothing.
struct CodecError: Error, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// For content that is not compressed.
final class PlainDecoder: StreamDecoder {
    func decode(_ input: UnsafeRawBufferPointer, into output: (UnsafeRawBufferPointer) throws -> Void) throws {
        if !input.isEmpty { try output(input) }
    }

    func finish() {}
}
