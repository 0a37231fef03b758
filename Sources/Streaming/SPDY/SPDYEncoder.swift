import NIOCore

/// Writes frames of one direction of a connection. Header blocks must leave in the order they were encoded.
struct SPDYEncoder {
    /// Of a data frame.
    static let chunk = 64 << 10

    private let compressor = HeaderCompressor()

    func encode(_ frame: SPDYFrame, into out: inout ByteBuffer) {
        switch frame {
        case .data(let stream, let bytes, let fin):
            out.writeInteger(stream & 0x7fff_ffff)
            out.writeInteger(UInt32(fin ? SPDYNumbers.fin : 0) << 24 | UInt32(bytes.readableBytes))
            out.writeImmutableBuffer(bytes)
        case .synStream(let stream, let headers, let fin):
            let block = compressor.compress(headers)
            control(SPDYNumbers.synStream, fin, 10 + block.count, &out)
            out.writeInteger(stream)
            out.writeInteger(0 as UInt32)
            out.writeInteger(0 as UInt16)
            out.writeBytes(block)
        case .synReply(let stream, let headers, let fin):
            let block = compressor.compress(headers)
            control(SPDYNumbers.synReply, fin, 4 + block.count, &out)
            out.writeInteger(stream)
            out.writeBytes(block)
        case .rstStream(let stream, let status): numbers(SPDYNumbers.rstStream, [stream, status], &out)
        case .ping(let id): numbers(SPDYNumbers.ping, [id], &out)
        case .goAway(let last, let status): numbers(SPDYNumbers.goAway, [last, status], &out)
        case .windowUpdate(let stream, let delta): numbers(SPDYNumbers.windowUpdate, [stream, delta], &out)
        case .headers, .ignored: break
        }
    }

    private func numbers(_ type: UInt16, _ values: [UInt32], _ out: inout ByteBuffer) {
        control(type, false, 4 * values.count, &out)
        for value in values { out.writeInteger(value) }
    }

    private func control(_ type: UInt16, _ fin: Bool, _ length: Int, _ out: inout ByteBuffer) {
        out.writeInteger(0x8000 | SPDYNumbers.version)
        out.writeInteger(type)
        out.writeInteger(UInt32(fin ? SPDYNumbers.fin : 0) << 24 | UInt32(length))
    }
}
