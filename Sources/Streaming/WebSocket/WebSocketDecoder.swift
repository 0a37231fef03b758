import NIOCore

/// Finds frames in the bytes of one direction of a connection (RFC 6455, 5). It never holds more than a frame's head or a
/// control frame back.
struct WebSocketDecoder {
    /// Of the payload of a control frame (RFC 6455, 5.5).
    static let controlLimit = 125

    private struct Frame {
        let opcode: WebSocketOpcode
        let isFinal: Bool
        let key: WebSocketMask?
        /// Bytes that have not come yet.
        var left: Int
        /// Bytes that have come.
        var read = 0
    }

    /// Frames must be masked: they come from a client. Those of a server must not be.
    private let fromClient: Bool
    private var buffer = ByteBuffer()
    private var frame: Frame?
    /// A message whose last frame has not come, and whether it is text.
    private var message: (isText: Bool, hasBegun: Bool)?

    init(fromClient: Bool) { self.fromClient = fromClient }

    mutating func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if buffer.readableBytes == 0 { return buffer = bytes }
        buffer.discardReadBytes()
        buffer.writeBuffer(&bytes)
    }

    /// The next control frame or part of a message; nil until more bytes come.
    mutating func next() throws(WebSocketProtocolError) -> WebSocketPiece? {
        if frame == nil { frame = try readHead() }
        guard var current = frame else { return nil }
        if current.opcode.isControl {
            guard buffer.readableBytes >= current.left else { return nil }
            frame = nil
            let payload = take(current.left, of: &current)
            switch current.opcode {
            case .ping: return .ping(payload)
            case .pong: return .pong
            default: return try Self.close(payload)
            }
        }
        guard let open = message, buffer.readableBytes > 0 || current.left == 0 else { return nil }
        let bytes = take(min(current.left, buffer.readableBytes), of: &current)
        let isFrameEnd = current.left == 0
        frame = isFrameEnd ? nil : current
        let isEnd = isFrameEnd && current.isFinal
        message = isEnd ? nil : (open.isText, true)
        return .data(bytes, isText: open.isText, isStart: !open.hasBegun, isEnd: isEnd)
    }

    private mutating func take(_ count: Int, of frame: inout Frame) -> ByteBuffer {
        let bytes = buffer.readSlice(length: count) ?? ByteBuffer()
        defer {
            frame.left -= count
            frame.read += count
        }
        return frame.key.map { $0.applied(to: bytes, from: frame.read) } ?? bytes
    }

    /// nil until all of the head has come.
    private mutating func readHead() throws(WebSocketProtocolError) -> Frame? {
        var head = buffer
        guard let first = head.readInteger(as: UInt8.self), let second = head.readInteger(as: UInt8.self) else {
            return nil
        }
        guard first & 0x70 == 0 else { throw WebSocketProtocolError("a frame has reserved bits set") }
        guard let opcode = WebSocketOpcode(rawValue: first & 0x0f) else {
            throw WebSocketProtocolError("a frame has the unknown opcode \(first & 0x0f)")
        }
        let isFinal = first & 0x80 != 0
        let isMasked = second & 0x80 != 0
        guard isMasked == fromClient else {
            throw WebSocketProtocolError(fromClient ? "a client's frame is not masked" : "a server's frame is masked")
        }
        if opcode.isControl, !isFinal || second & 0x7f > Self.controlLimit {
            throw WebSocketProtocolError("a control frame is fragmented or longer than \(Self.controlLimit) bytes")
        }
        guard let length = try Self.length(second & 0x7f, &head) else { return nil }
        var key: WebSocketMask?
        if isMasked {
            guard let bytes = head.readInteger(as: UInt32.self) else { return nil }
            key = WebSocketMask(bytes)
        }
        switch opcode {
        case .continuation where message == nil:
            throw WebSocketProtocolError("a frame continues a message that was not begun")
        case .text where message == nil, .binary where message == nil: message = (opcode == .text, false)
        case .text, .binary: throw WebSocketProtocolError("a message begins before the last one has ended")
        default: break
        }
        buffer = head
        return Frame(opcode: opcode, isFinal: isFinal, key: key, left: length)
    }

    /// nil until all of it has come.
    private static func length(_ short: UInt8, _ head: inout ByteBuffer) throws(WebSocketProtocolError) -> Int? {
        let length: UInt64
        let least: UInt64
        switch short {
        case 126:
            guard let value = head.readInteger(as: UInt16.self) else { return nil }
            (length, least) = (UInt64(value), 126)
        case 127:
            guard let value = head.readInteger(as: UInt64.self) else { return nil }
            (length, least) = (value, 65536)
        default: return Int(short)
        }
        guard length >= least, length <= UInt64(Int64.max) else {
            throw WebSocketProtocolError("a frame's length is malformed")
        }
        return Int(length)
    }

    private static func close(_ payload: ByteBuffer) throws(WebSocketProtocolError) -> WebSocketPiece {
        var payload = payload
        guard payload.readableBytes > 0 else { return .close(code: nil, reason: "") }
        guard let code = payload.readInteger(as: UInt16.self), WebSocketCloseCode.isSendable(code) else {
            throw WebSocketProtocolError("a close frame has no valid code")
        }
        guard let reason = String(validating: payload.readableBytesView, as: UTF8.self) else {
            throw WebSocketProtocolError("a close frame's reason is no text", code: WebSocketCloseCode.invalidData)
        }
        return .close(code: code, reason: reason)
    }
}
