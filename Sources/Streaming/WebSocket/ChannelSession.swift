import FoundationEssentials
import HTTP
import NIOCore
import Synchronization

/// A WebSocket connection whose messages belong to numbered channels.
final class ChannelSession: Sendable {
    let socket: WebSocketConnection
    let codec: ChannelCodec
    private let knowsCloseSignal: Bool
    private let streams: Mutex<[Int: ChannelStream]>

    /// - Parameters:
    ///   - channels: those that exist, and whether the peer sends on them. What it sends on others is dropped.
    ///   - knowsCloseSignal: the peer may end one channel.
    init(_ socket: WebSocketConnection, codec: ChannelCodec, channels: [Int: Bool], knowsCloseSignal: Bool) {
        self.socket = socket
        self.codec = codec
        self.knowsCloseSignal = knowsCloseSignal
        let made = channels.map { number, isRead in
            (number, ChannelStream(number: number, isRead: isRead, socket: socket, codec: codec))
        }
        streams = Mutex(Dictionary(uniqueKeysWithValues: made))
    }

    func stream(_ number: Int) -> ChannelStream? { streams.withLock { $0[number] } }

    /// Reads until the connection ends. Every stream ends with it.
    func run() async {
        var messages = ChannelMessages(codec: codec, knowsCloseSignal: knowsCloseSignal)
        let gone = StreamingError(.unavailable, "the connection was closed")
        let reason = await socket.run(onGone: { [weak self] in self?.fail(gone) }) { piece in
            guard case .data(let bytes, _, _, let isEnd) = piece else { return }
            switch try messages.take(bytes, isEnd: isEnd) {
            case .bytes(let number, let bytes)?:
                if let stream = stream(number), stream.isRead { await stream.inbound.push(bytes) }
            case .ended(let number)?: stream(number)?.inbound.finish()
            case nil: break
            }
        }
        fail(reason)
    }

    private func fail(_ reason: any Error) {
        for stream in streams.withLock({ Array($0.values) }) { stream.fail(reason) }
    }

    func close(within limit: Duration) async {
        // What the peer still sends is read and dropped.
        for stream in streams.withLock({ Array($0.values) }) { stream.inbound.abandon() }
        await socket.close(within: limit)
    }

    func abort() async { await socket.raw.close() }

    func waitForSilence(_ limit: Duration) async { await socket.waitForSilence(limit) }
}

/// One channel of a WebSocket connection.
final class ChannelStream: SessionStream {
    /// Of one message.
    private static let chunk = 64 << 10

    private enum Output {
        case open
        case closed
        case broken(any Error)
    }

    let number: Int
    let inbound = ByteStream()
    /// Whether the peer sends on it.
    let isRead: Bool
    private let socket: WebSocketConnection
    private let codec: ChannelCodec
    private let output = Mutex(Output.open)
    private let broken = Outcome<Void>()

    init(number: Int, isRead: Bool, socket: WebSocketConnection, codec: ChannelCodec) {
        self.number = number
        self.isRead = isRead
        self.socket = socket
        self.codec = codec
    }

    func write(_ bytes: ByteBuffer) async throws {
        var rest = bytes
        while rest.readableBytes > 0, let chunk = rest.readSlice(length: min(Self.chunk, rest.readableBytes)) {
            try await send(chunk)
        }
    }

    /// Sends a message without bytes, by which a client notices that the session has begun.
    func announce() async throws { try await send(ByteBuffer()) }

    private func send(_ chunk: ByteBuffer) async throws {
        try output.withLock { output in
            switch output {
            case .open: break
            case .closed: throw StreamingError(.failed, "the channel is closed")
            case .broken(let error): throw error
            }
        }
        let prefix = [codec.prefix(number)]
        switch codec {
        case .raw: try await socket.send(prefix: prefix, chunk)
        case .base64:
            let text = Data(chunk.readableBytesView).base64EncodedData()
            try await socket.send(text: true, prefix: prefix, ByteBuffer(bytes: text))
        }
    }

    /// The protocol has no word for it: the client sees it when the session ends.
    func closeOutput() async throws {
        output.withLock { output in
            if case .open = output { output = .closed }
        }
    }

    func reset() {
        fail(StreamingError(.unavailable, "the channel was closed"))
        inbound.abandon()
    }

    func forget() { inbound.abandon() }

    func fail(_ error: any Error) {
        output.withLock { output in
            if case .broken = output { return }
            output = .broken(error)
        }
        inbound.finish(error)
        broken.resolve(.failure(error))
    }

    func waitUntilBroken() async throws { try await broken.value() }
}
