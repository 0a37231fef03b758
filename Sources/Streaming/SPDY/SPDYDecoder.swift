import NIOCore

/// Finds frames in the bytes of one direction of a connection.
struct SPDYDecoder {
    /// Of the payload of a control frame.
    static let controlLimit = 128 << 10

    private var buffer = ByteBuffer()
    private let decompressor = HeaderDecompressor()
    /// Bytes of the current data frame that have not come yet; they are handed out as they come.
    private var data: (stream: UInt32, left: Int, fin: Bool)?

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if buffer.readableBytes == 0 { return buffer = bytes }
        // Never more than a control frame is left here: what was read must not pile up before it.
        buffer.discardReadBytes()
        buffer.writeBuffer(&bytes)
    }

    /// The next frame, or part of a data frame; nil until more bytes come.
    mutating func next() throws(SPDYProtocolError) -> SPDYFrame? {
        if let (stream, left, fin) = data {
            guard buffer.readableBytes > 0 else { return nil }
            return piece(stream, left, fin)
        }
        guard let first = buffer.getInteger(at: buffer.readerIndex, as: UInt32.self),
            let second = buffer.getInteger(at: buffer.readerIndex + 4, as: UInt32.self)
        else { return nil }
        let flags = UInt8(second >> 24)
        let length = Int(second & 0xff_ffff)
        guard first & 0x8000_0000 != 0 else {
            buffer.moveReaderIndex(forwardBy: 8)
            let fin = flags & SPDYNumbers.fin != 0
            if length == 0 { return .data(stream: first, bytes: ByteBuffer(), fin: fin) }
            guard buffer.readableBytes > 0 else {
                data = (first, length, fin)
                return nil
            }
            return piece(first, length, fin)
        }
        guard length <= Self.controlLimit else {
            throw SPDYProtocolError(description: "a control frame of \(length) bytes is too large")
        }
        guard buffer.readableBytes >= 8 + length else { return nil }
        buffer.moveReaderIndex(forwardBy: 8)
        var payload = buffer.readSlice(length: length)!
        guard UInt16(first >> 16 & 0x7fff) == SPDYNumbers.version else {
            throw SPDYProtocolError(description: "a frame of SPDY version \(first >> 16 & 0x7fff)")
        }
        return try control(UInt16(first & 0xffff), flags, &payload)
    }

    private mutating func piece(_ stream: UInt32, _ left: Int, _ fin: Bool) -> SPDYFrame {
        let bytes = buffer.readSlice(length: min(left, buffer.readableBytes))!
        let rest = left - bytes.readableBytes
        data = rest == 0 ? nil : (stream, rest, fin)
        return .data(stream: stream, bytes: bytes, fin: fin && rest == 0)
    }

    private mutating func control(
        _ type: UInt16, _ flags: UInt8, _ payload: inout ByteBuffer
    ) throws(SPDYProtocolError) -> SPDYFrame {
        func number() throws(SPDYProtocolError) -> UInt32 {
            guard let value = payload.readInteger(as: UInt32.self) else {
                throw SPDYProtocolError(description: "a control frame of type \(type) is too short")
            }
            return value
        }
        let fin = flags & SPDYNumbers.fin != 0
        switch type {
        case SPDYNumbers.synStream:
            let stream = try number() & 0x7fff_ffff
            _ = try number()
            guard payload.readInteger(as: UInt16.self) != nil else {
                throw SPDYProtocolError(description: "a SYN_STREAM frame is too short")
            }
            return .synStream(stream: stream, headers: try decompressor.decompress(payload), fin: fin)
        case SPDYNumbers.synReply:
            let stream = try number() & 0x7fff_ffff
            return .synReply(stream: stream, headers: try decompressor.decompress(payload), fin: fin)
        case SPDYNumbers.headers:
            let stream = try number() & 0x7fff_ffff
            _ = try decompressor.decompress(payload)
            return .headers(stream: stream, fin: fin)
        case SPDYNumbers.rstStream: return .rstStream(stream: try number() & 0x7fff_ffff, status: try number())
        case SPDYNumbers.ping: return .ping(id: try number())
        case SPDYNumbers.goAway:
            return .goAway(lastStream: try number() & 0x7fff_ffff, status: payload.readInteger() ?? 0)
        case SPDYNumbers.windowUpdate:
            return .windowUpdate(stream: try number() & 0x7fff_ffff, delta: try number() & 0x7fff_ffff)
        default: return .ignored
        }
    }
}
