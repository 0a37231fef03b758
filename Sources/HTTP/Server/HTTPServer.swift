public import Logging
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
public import ServiceLifecycle
public import Sockets
public import TLS

/// Where a server listens.
public struct HTTPListener: Sendable {
    let endpoint: Endpoint
    let socketOptions: UnixSocketOptions
    let tls: TLSContext?

    public static func unix(_ path: String, _ options: UnixSocketOptions = .init()) -> Self {
        Self(endpoint: .unix(path: path), socketOptions: options, tls: nil)
    }

    /// A TCP port, 0 for one the system chooses.
    public static func tcp(host: String, port: Int, tls: TLSContext? = nil) -> Self {
        Self(endpoint: .tcp(host: host, port: port), socketOptions: .init(), tls: tls)
    }
}

/// An HTTP/1.1 server.
public final class HTTPServer: Service {
    private let listeners: [HTTPListener]
    private let handler: @Sendable (HTTPRequest) async throws -> HTTPResponse
    private let limits: HTTPServerLimits
    private let logger: Logger
    private let group: any EventLoopGroup
    private let drainTime: TimeAmount
    private let bound = NIOLockedValueBox<[BoundServer]>([])
    private let connections: ConnectionRegistry<HTTPServerHandler>
    private let running = RunningHandlers()

    /// - Parameters:
    ///   - drainTime: how long requests may go on once a graceful shutdown began.
    ///   - handler: called in a task that is cancelled when the client goes away, or half-closes a connection that it
    ///     does not want to upgrade. It may throw an ``HTTPResponseConvertible`` error; any other answers 500.
    public init(
        listeners: [HTTPListener], limits: HTTPServerLimits = .init(), drainTime: TimeAmount = .seconds(10),
        logger: Logger,
        group: any EventLoopGroup, handler: @escaping @Sendable (HTTPRequest) async throws -> HTTPResponse
    ) {
        self.listeners = listeners
        self.limits = limits
        connections = ConnectionRegistry(limit: limits.connections)
        self.drainTime = drainTime
        self.logger = logger
        self.group = group
        self.handler = handler
    }

    /// Binds every listener and serves.
    /// - Returns: the endpoints as bound, in the order of the listeners.
    /// - Throws: `SocketError`.
    public func start() async throws -> [Endpoint] {
        for listener in listeners {
            do {
                let server = try await bindServer(
                    bootstrap(listener), to: listener.endpoint, options: listener.socketOptions)
                bound.withLockedValue { $0.append(server) }
            } catch {
                await closeListeners()
                throw error
            }
        }
        return bound.withLockedValue { $0.map(\.endpoint) }
    }

    /// Serves until the task is asked to shut down gracefully or is cancelled, then drains.
    public func run() async throws {
        if bound.withLockedValue({ $0.isEmpty }) { _ = try await start() }
        try? await gracefulShutdown()
        await drain(within: drainTime)
    }

    /// Accepts nothing new, lets requests that run end, and closes what is left after `time`. The handlers of those have
    /// two more seconds to notice.
    public func drain(within time: TimeAmount) async {
        await closeListeners()
        await connections.drain(within: time) { $0.drain() }
        await running.waitForNone(within: .seconds(2), on: group.any())
    }

    /// Handlers that have not returned.
    var runningHandlers: Int { running.count }

    private func closeListeners() async {
        let servers = bound.withLockedValue { servers in
            defer { servers = [] }
            return servers
        }
        for server in servers { await server.close() }
    }

    /// Makes an accepted connection of another listener one of this server.
    public func configure(_ channel: any Channel, peer: PeerIdentity? = nil) -> EventLoopFuture<Void> {
        guard admit(channel) else { return channel.close() }
        return serve(channel, peer)
    }

    private func admit(_ channel: any Channel) -> Bool {
        if connections.admit(channel) { return true }
        logger.warning("connection refused: too many at once", metadata: ["limit": "\(limits.connections)"])
        return false
    }

    private func serve(_ channel: any Channel, _ peer: PeerIdentity?) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let serverHandler = HTTPServerHandler(
                handler: handler, limits: limits, logger: logger, running: running, peer: peer)
            try serverHandler.install(in: channel)
            connections.add(serverHandler, channel)
        }
    }

    private func bootstrap(_ listener: HTTPListener) -> ServerBootstrap {
        var bootstrap = ServerBootstrap(group: group).serverChannelOption(.backlog, value: 256)
        if case .tcp = listener.endpoint {
            bootstrap =
                bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                // Clients that vanished without a word are noticed in the end.
                .childChannelOption(.socketOption(.so_keepalive), value: 1)
        }
        return
            bootstrap
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [self] channel in
                // Counted before the handshake: an unfinished one costs as much.
                guard admit(channel) else { return channel.close() }
                guard let tls = listener.tls else { return serve(channel, nil) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: tls),
                        TLSHandshakeWaiter { [self] channel, _, peer in serve(channel, peer) })
                }
            }
    }
}
