public import Logging
import NIOConcurrencyHelpers
public import NIOCore
import NIOHTTP1
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

/// What clients may cost a server.
public struct HTTPServerLimits: Sendable {
    /// Connections at once.
    public var connections = 1000
    /// How long a connection may stay without a whole request head.
    public var idleTimeout: TimeAmount = .seconds(90)

    public init() {}
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

    /// - Parameter handler: called in a task that is cancelled when the client goes away.
    public init(
        listeners: [HTTPListener], limits: HTTPServerLimits = .init(), drainTime: TimeAmount = .seconds(10), logger: Logger,
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
                let server = try await bindServer(bootstrap(listener), to: listener.endpoint, options: listener.socketOptions)
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

    /// Accepts nothing new, lets requests that run end, and closes what is left after `time`.
    public func drain(within time: TimeAmount) async {
        await closeListeners()
        await connections.drain(within: time) { $0.drain() }
    }

    private func closeListeners() async {
        let servers = bound.withLockedValue { servers in
            defer { servers = [] }
            return servers
        }
        for server in servers { await server.close() }
    }

    /// Makes an accepted connection of another listener one of this server.
    public func configure(_ channel: any Channel, peer: PeerIdentity? = nil) -> EventLoopFuture<Void> {
        guard connections.admit(channel) else {
            logger.warning("connection refused: too many at once", metadata: ["limit": "\(limits.connections)"])
            return channel.close()
        }
        return channel.eventLoop.makeCompletedFuture {
            let encoder = HTTPResponseEncoder()
            let decoder = ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .forwardBytes))
            let serverHandler = HTTPServerHandler(
                handler: handler, limits: limits, logger: logger, encoder: encoder, decoder: decoder, peer: peer)
            try channel.pipeline.syncOperations.addHandlers(encoder, decoder, serverHandler)
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
        }
        return
            bootstrap
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { [self] channel in
                guard let tls = listener.tls else { return configure(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: tls), TLSHandshakeWaiter { [self] channel, _, peer in configure(channel, peer: peer) })
                }
            }
    }
}
