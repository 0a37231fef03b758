public import Logging
import NIOConcurrencyHelpers
public import NIOCore
import NIOPosix
public import ServiceLifecycle
public import Sockets
public import TLS

/// Where a server listens.
public struct RPCListener: Sendable {
    let endpoint: Endpoint
    let socketOptions: UnixSocketOptions
    let tls: TLSContext?

    /// A unix socket; who may connect is decided by the file's mode and group.
    public static func unix(_ path: String, _ options: UnixSocketOptions = .init()) -> Self {
        Self(endpoint: .unix(path: path), socketOptions: options, tls: nil)
    }

    /// A TCP port, 0 for one the system chooses. With TLS, a client that negotiates `h2` gets gRPC; one that negotiates
    /// `http/1.1` or nothing gets the server's HTTP fallback.
    public static func tcp(host: String, port: Int, tls: TLSContext? = nil) -> Self {
        Self(endpoint: .tcp(host: host, port: port), socketOptions: .init(), tls: tls)
    }
}

/// A gRPC server over HTTP/2.
public final class RPCServer: Service {
    /// Called on the event loop with every finished call; nil is OK.
    public typealias Observer = @Sendable (_ method: String, _ code: RPCError.Code?, _ elapsed: TimeAmount) -> Void
    /// Takes over a TLS connection whose client speaks HTTP/1.1.
    public typealias HTTPFallback = @Sendable (any Channel) -> EventLoopFuture<Void>

    /// The state of each service as `grpc.health.v1` reports it.
    public let health: HealthService
    private let listeners: [RPCListener]
    private let router: Router
    private let limits: ServerLimits
    private let logger: Logger
    private let group: any EventLoopGroup
    private let observer: Observer?
    private let httpFallback: HTTPFallback?
    private let drainTime: Duration
    private let connections: ConnectionRegistry<ServerConnection>
    private let bound = NIOLockedValueBox<[BoundServer]>([])

    /// - Parameters:
    ///   - drainTime: how long running calls may go on after `run` was asked to end.
    ///   - httpFallback: configures the channel of a TLS client that does not speak HTTP/2.
    public init(
        listeners: [RPCListener], router: Router, limits: ServerLimits = .init(), drainTime: Duration = .seconds(10),
        logger: Logger, group: any EventLoopGroup, observer: Observer? = nil, httpFallback: HTTPFallback? = nil
    ) {
        health = HealthService(services: router.services)
        self.listeners = listeners
        var router = router
        health.register(in: &router)
        self.router = router
        self.limits = limits
        self.drainTime = drainTime
        self.logger = logger
        self.group = group
        self.observer = observer
        self.httpFallback = httpFallback
        connections = ConnectionRegistry(limit: limits.connections)
    }

    /// Binds every listener and accepts connections.
    /// - Returns: the endpoints as bound, in the order of the listeners.
    /// - Throws: `SocketError` when one cannot be bound; those bound before it are closed again.
    public func start() async throws -> [Endpoint] {
        let endpoints = try await bind()
        try await accept()
        return endpoints
    }

    /// Binds every listener. Clients can connect and wait for ``accept()``.
    /// - Returns: the endpoints as bound, in the order of the listeners.
    /// - Throws: `SocketError` when one cannot be bound; those bound before it are closed again.
    public func bind() async throws -> [Endpoint] {
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

    /// Begins to serve those who wait and those who come.
    public func accept() async throws {
        for server in bound.withLockedValue({ $0 }) { try await server.channel.setOption(.autoRead, value: true).get() }
    }

    /// Serves until the task is asked to shut down gracefully or is cancelled, then drains. Starts first when `start`
    /// was not called.
    public func run() async throws {
        if bound.withLockedValue({ $0.isEmpty }) { _ = try await start() }
        try? await gracefulShutdown()
        await drain(within: drainTime)
    }

    /// Accepts no more connections and no more calls, waits for those that run, and closes what is left at the end.
    public func drain(within time: Duration) async {
        health.shutDown()
        await closeListeners()
        await connections.drain(within: time.timeAmount) { $0.beginDrain() }
    }

    private func closeListeners() async {
        let servers = bound.withLockedValue { servers in
            defer { servers = [] }
            return servers
        }
        for server in servers { await server.close() }
    }

    private func bootstrap(_ listener: RPCListener) -> ServerBootstrap {
        var bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.autoRead, value: false)
        if case .tcp = listener.endpoint {
            bootstrap =
                bootstrap
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        }
        return
            bootstrap
            .childChannelOption(.maxMessagesPerRead, value: 16)
            // An HTTP/1.1 stream may end in one direction first.
            .childChannelOption(.allowRemoteHalfClosure, value: listener.tls != nil)
            .childChannelInitializer { [self] channel in
                guard connections.admit(channel) else {
                    logger.warning("connection refused: too many at once", metadata: ["limit": "\(limits.connections)"])
                    return channel.close()
                }
                guard let tls = listener.tls else { return addConnection(to: channel, identity: nil) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: tls),
                        TLSHandshakeWaiter { [self] channel, negotiated, peer in
                            if negotiated == "h2" { return addConnection(to: channel, identity: peer?.commonName) }
                            return httpFallback?(channel) ?? channel.close()
                        }, HandshakeLog(logger))
                }
            }
    }

    private func addConnection(to channel: any Channel, identity: String?) -> EventLoopFuture<Void> {
        channel.eventLoop.makeCompletedFuture {
            let handler = ServerConnection(router: router, limits: limits, identity: identity, observer: observer)
            connections.add(handler, channel)
            try channel.pipeline.syncOperations.addHandler(handler)
        }
    }
}

/// Says why a client's handshake failed; leaves with the handshake.
private final class HandshakeLog: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    private let logger: Logger

    init(_ logger: Logger) { self.logger = logger }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        if event is TLSEvent { context.pipeline.syncOperations.removeHandler(self, promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let client = context.remoteAddress.map { "\($0)" } ?? "unknown"
        logger.warning("a client was refused", metadata: ["client": "\(client)", "error": "\(error)"])
        context.fireErrorCaught(error)
    }
}
