import Logging
import NIOCore

/// Port forwarding over WebSocket's channels: each port that was asked for is one connection, with a channel for its bytes
/// and one for what goes wrong.
struct PortChannels: Sendable {
    private let session: ChannelSession
    private let ports: [Int]
    private let limits: StreamingLimits
    private let logger: Logger

    init(
        _ socket: WebSocketConnection, _ codec: ChannelCodec, ports: [Int], limits: StreamingLimits, logger: Logger
    ) {
        let channels = (0..<ports.count).flatMap { [(2 * $0, true), (2 * $0 + 1, false)] }
        session = ChannelSession(
            socket, codec: codec, channels: Dictionary(uniqueKeysWithValues: channels), knowsCloseSignal: false)
        self.ports = ports
        self.limits = limits
        self.logger = logger
    }

    /// Returns when every connection or the session has ended.
    func run(_ backend: @escaping PortForwardBackend) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await session.run() }
            group.addTask {
                await session.waitForSilence(limits.idle)
                guard !Task.isCancelled else { return }
                logger.info("a port forwarder was silent for too long and was disconnected")
                await session.abort()
            }
            await withTaskGroup(of: Void.self) { connections in
                for (index, port) in ports.enumerated() {
                    guard let data = session.stream(2 * index), let error = session.stream(2 * index + 1) else {
                        continue
                    }
                    connections.addTask { await serve(port, data, error, backend) }
                }
            }
            await session.close(within: .seconds(2))
            group.cancelAll()
        }
    }

    private func serve(
        _ port: Int, _ data: ChannelStream, _ error: ChannelStream, _ backend: @escaping PortForwardBackend
    ) async {
        let number = ByteBuffer(integer: UInt16(port), endianness: .little)
        do {
            try await data.write(number)
            try await error.write(number)
        } catch {
            return logger.debug("a port forwarder left at once", metadata: ["error": "\(error)"])
        }
        let connection = ForwardedConnection(
            error: error, data: EndingTogether(data), port: port, logger: logger)
        await connection.serve(backend)
    }
}

/// A channel that cannot tell its client that no more comes: the connection ends with its output.
private final class EndingTogether: SessionStream {
    private let stream: ChannelStream

    init(_ stream: ChannelStream) { self.stream = stream }

    var inbound: ByteStream { stream.inbound }
    func write(_ bytes: ByteBuffer) async throws { try await stream.write(bytes) }
    func closeOutput() async throws {
        try await stream.closeOutput()
        stream.inbound.finish()
    }
    func reset() { stream.reset() }
    func forget() { stream.forget() }
    func waitUntilBroken() async throws { try await stream.waitUntilBroken() }
}
