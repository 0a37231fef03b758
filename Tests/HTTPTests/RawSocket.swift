import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Sockets
import Support
import Synchronization
import Testing

/// One end of a connection that speaks in bytes: a client or server that may misbehave.
final class RawSocket: Sendable {
    struct Ended: Error {
        let received: String
    }

    private let channel: any Channel
    private let received = Mutex("")
    private let isEnded = Mutex(false)

    private init(_ channel: any Channel) { self.channel = channel }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let socket: RawSocket
        init(_ socket: RawSocket) { self.socket = socket }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: unwrapInboundIn(data))
            socket.received.withLock { $0 += text }
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { socket.isEnded.withLock { $0 = true } }
        }
        func channelInactive(context: ChannelHandlerContext) { socket.isEnded.withLock { $0 = true } }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private static func wrap(_ channel: any Channel) throws -> RawSocket {
        let socket = RawSocket(channel)
        try channel.pipeline.syncOperations.addHandler(Collector(socket))
        return socket
    }

    static func connect(to endpoint: Endpoint) async throws -> RawSocket {
        let made = Harness.group.any().makePromise(of: RawSocket.self)
        let bootstrap = ClientBootstrap(group: Harness.group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { made.succeed(try wrap(channel)) }
            }
        do {
            switch endpoint {
            case .unix(let path): _ = try await bootstrap.connect(unixDomainSocketPath: path).get()
            case .tcp(let host, let port): _ = try await bootstrap.connect(host: host, port: port).get()
            }
        } catch {
            made.fail(error)
        }
        return try await made.futureResult.get()
    }

    /// A server whose every connection goes to `serve`, which is counted from 0.
    static func server(
        _ serve: @escaping @Sendable (RawSocket, Int) async throws -> Void, _ body: (Endpoint) async throws -> Void
    ) async throws {
        let counter = NIOLockedValueBox(0)
        let serving = NIOLockedValueBox<[Task<Void, Never>]>([])
        // Those that still wait for a client are not to outlive the test.
        defer { for task in serving.withLockedValue({ $0 }) { task.cancel() } }
        let server = try await ServerBootstrap(group: Harness.group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let socket = try wrap(channel)
                    let number = counter.withLockedValue { count in
                        defer { count += 1 }
                        return count
                    }
                    let task = Task {
                        try? await serve(socket, number)
                        socket.close()
                    }
                    serving.withLockedValue { $0.append(task) }
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(.tcp(host: "127.0.0.1", port: server.localAddress!.port!))
        } catch {
            try await server.close()
            throw error
        }
        try await server.close()
    }

    var text: String { received.withLock { $0 } }

    func write(_ text: String) async throws { try await channel.writeAndFlush(ByteBuffer(string: text)) }
    func closeOutput() async throws { try await channel.close(mode: .output) }
    func stopReading() { channel.setOption(.autoRead, value: false).whenComplete { _ in } }
    func closeNow() async throws { try await channel.close() }
    func close() { channel.close(promise: nil) }

    /// Waits until what has come holds `mark`.
    func expect(_ mark: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        try await eventually("\(mark) comes", sourceLocation: sourceLocation) {
            text.contains(mark) || isEnded.withLock { $0 }
        }
        if !text.contains(mark) { throw Ended(received: text) }
    }

    /// All that came, once the other side has ended.
    func readToEnd() async -> String {
        try? await eventually("the connection ends") { isEnded.withLock { $0 } }
        close()
        return text
    }
}
