import CZlib

/// Gzip (RFC 1952), of one member or several after each other. Memory does not depend on the input.
final class GzipDecoder: StreamDecoder {
    private enum State {
        /// Inside a member.
        case inside
        /// A member has ended; here the stream may end, or the next one begins.
        case between
    }

    /// zlib keeps this address.
    private let stream: UnsafeMutablePointer<z_stream>
    private let output: UnsafeMutableRawBufferPointer
    private var state = State.inside

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        output = .allocate(byteCount: 256 << 10, alignment: 64)
        // 15 bits of window, and 16 for gzip's own header.
        let result = inflateInit2_(stream, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(result == Z_OK, "no memory for zlib")
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        output.deallocate()
    }

    func decode(_ input: UnsafeRawBufferPointer, into body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let start = input.bindMemory(to: UInt8.self).baseAddress else { return }
        var offset = 0
        while offset < input.count {
            let count = min(input.count - offset, 1 << 30)
            stream.pointee.next_in = UnsafeMutablePointer(mutating: start + offset)
            stream.pointee.avail_in = UInt32(count)
            try inflateAll(into: body)
            offset += count
        }
    }

    private func inflateAll(into body: (UnsafeRawBufferPointer) throws -> Void) throws {
        repeat {
            if state == .between {
                guard stream.pointee.avail_in > 0 else { return }
                inflateReset(stream)
                state = .inside
            }
            stream.pointee.next_out = output.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(output.count)
            let result = inflate(stream, Z_NO_FLUSH)
            let made = output.count - Int(stream.pointee.avail_out)
            if made > 0 { try body(UnsafeRawBufferPointer(rebasing: output[..<made])) }
            switch result {
            case Z_OK: continue
            case Z_STREAM_END: state = .between
            // It wants more input.
            case Z_BUF_ERROR: return
            default:
                throw CodecError(
                    "it is no gzip stream (\(stream.pointee.msg.map { String(cString: $0) } ?? "error \(result)"))")
            }
        } while stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0
    }

    func finish() throws {
        guard state == .between else { throw CodecError("the gzip stream ends too early") }
    }
}
