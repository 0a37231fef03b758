import NIOCore

/// Takes the bytes of one direction of a stream and gives back whole messages (gRPC over HTTP/2, "Length-Prefixed-Message").
struct MessageDeframer {
    private var buffer: ByteBuffer?
    let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Whether bytes of an incomplete message are held.
    var isMidMessage: Bool { buffer.map { $0.readableBytes > 0 } ?? false }

    mutating func append(_ bytes: UnsafeRawBufferPointer, allocator: ByteBufferAllocator) {
        if buffer == nil { buffer = allocator.buffer(capacity: bytes.count) }
        buffer!.writeBytes(bytes)
    }

    /// The next whole message, or nil until more bytes come.
    mutating func next() throws(RPCError) -> ByteBuffer? {
        guard var held = buffer, held.readableBytes >= 5 else { return nil }
        guard let compressed = held.getInteger(at: held.readerIndex, as: UInt8.self),
            let length = held.getInteger(at: held.readerIndex + 1, as: UInt32.self)
        else { return nil }
        // Judged on the prefix: nothing of a message that is too large is ever collected.
        guard compressed == 0 else {
            if compressed == 1 {
                throw RPCError(.unimplemented, "the message is compressed; only the identity encoding is spoken here")
            }
            throw RPCError(.internalError, "the message prefix is malformed: its compression flag is \(compressed)")
        }
        guard length <= limit else {
            throw RPCError(
                .resourceExhausted, "a message of \(length) bytes is larger than the limit of \(limit) bytes")
        }
        guard held.readableBytes >= 5 + Int(length) else {
            buffer = nil
            held.reserveCapacity(minimumWritableBytes: 5 + Int(length) - held.readableBytes)
            buffer = held
            return nil
        }
        held.moveReaderIndex(forwardBy: 5)
        let message = held.readSlice(length: Int(length))
        buffer = held.readableBytes > 0 ? held : nil
        return message
    }

    /// Appends prefix and message to `out`.
    static func frame(_ message: some RPCMessage, limit: Int, into out: inout ByteBuffer) throws {
        let start = out.writerIndex
        out.writeRepeatingByte(0, count: 5)
        try message.appendWireBytes(to: &out)
        let length = out.writerIndex - start - 5
        guard length <= limit else {
            throw RPCError(
                .resourceExhausted, "a message of \(length) bytes is larger than the limit of \(limit) bytes")
        }
        out.setInteger(UInt32(length), at: start + 1)
    }
}
