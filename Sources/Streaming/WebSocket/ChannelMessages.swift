import FoundationEssentials
import NIOCore

/// How a message says which channel it belongs to.
enum ChannelCodec: Sendable {
    /// The channel's number is the first byte; the rest is its bytes.
    case raw
    /// The channel's number is the first character, from "0" on; the rest is its bytes in base64.
    case base64

    func prefix(_ channel: Int) -> UInt8 { self == .raw ? UInt8(channel) : UInt8(ascii: "0") &+ UInt8(channel) }
}

/// Takes messages apart into channels' bytes.
struct ChannelMessages {
    /// Says that a channel has ended; the channel's number follows.
    static let closeSignal: UInt8 = 255

    enum Event: Equatable {
        case bytes(channel: Int, ByteBuffer)
        /// The peer sends no more on this channel.
        case ended(channel: Int)
    }

    private enum Message {
        case signal([UInt8])
        case bytes(channel: Int)
    }

    let codec: ChannelCodec
    let knowsCloseSignal: Bool
    private var message: Message?
    /// Characters that make no whole group yet.
    private var group: [UInt8] = []

    init(codec: ChannelCodec, knowsCloseSignal: Bool) {
        self.codec = codec
        self.knowsCloseSignal = knowsCloseSignal
    }

    mutating func take(_ bytes: ByteBuffer, isEnd: Bool) throws(WebSocketProtocolError) -> Event? {
        var bytes = bytes
        if message == nil, let first = bytes.readInteger(as: UInt8.self) {
            if knowsCloseSignal, first == Self.closeSignal {
                message = .signal([])
            } else {
                message = .bytes(channel: Int(codec == .raw ? first : first &- UInt8(ascii: "0")))
            }
        }
        defer { if isEnd { message = nil } }
        switch message {
        // Without a single byte it says nothing.
        case nil: return nil
        case .signal(let before):
            let numbers = before + bytes.readableBytesView.prefix(2)
            guard numbers.count <= 1, !isEnd || numbers.count == 1 else {
                throw WebSocketProtocolError("the signal that a channel has ended must name one channel")
            }
            message = .signal(numbers)
            return isEnd ? .ended(channel: Int(numbers[0])) : nil
        case .bytes(let channel):
            let plain = codec == .raw ? bytes : try decode(bytes, isEnd: isEnd)
            return plain.readableBytes > 0 ? .bytes(channel: channel, plain) : nil
        }
    }

    private mutating func decode(_ bytes: ByteBuffer, isEnd: Bool) throws(WebSocketProtocolError) -> ByteBuffer {
        group += bytes.readableBytesView
        let whole = group.count & ~3
        guard !isEnd || whole == group.count, let plain = Data(base64Encoded: Data(group[..<whole])) else {
            throw WebSocketProtocolError("a message is no base64", code: WebSocketCloseCode.invalidData)
        }
        group.removeSubrange(..<whole)
        return ByteBuffer(bytes: plain)
    }
}
