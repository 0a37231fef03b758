import Logging
import NIOCore
import NIOPosix
import Sockets
import TLS

/// Keeps a client's one connection: makes it when a call needs it, forgets it when it ends. Confined to the event loop.
final class ClientConnector {
    private enum State {
        case idle
        case connecting(EventLoopFuture<ClientConnection>)
        case connected(ClientConnection)
    }

    private let endpoint: Endpoint
    private let tls: TLSContext?
    private let options: RPCClientOptions
    private let eventLoop: any EventLoop
    private let logger: Logger
    private var state = State.idle
    /// Those that take no more calls but still carry some.
    private var retiring: [ObjectIdentifier: ClientConnection] = [:]

    init(endpoint: Endpoint, tls: TLSContext?, options: RPCClientOptions, eventLoop: any EventLoop, logger: Logger) {
        self.endpoint = endpoint
        self.tls = tls
        self.options = options
        self.eventLoop = eventLoop
        self.logger = logger
    }

    func start(_ call: ClientCall) {
        if let deadline = call.deadline, call.timer == nil {
            let bound = NIOLoopBound(call, eventLoop: eventLoop)
            call.timer = eventLoop.scheduleTask(deadline: deadline) {
                let call = bound.value
                call.finish(.failure(RPCError(.deadlineExceeded, "\(call.path) was not answered in time")))
                call.connection?.cancel(call)
            }
        }
        send(call)
    }

    private func send(_ call: ClientCall) {
        if case .connected(let connection) = state { return connection.start(call) }
        connection().assumeIsolated().whenComplete { result in
            guard !call.isFinished else { return }
            switch result {
            case .success(let connection): connection.start(call)
            case .failure(let error): call.finish(.failure(self.unreachable(error)))
            }
        }
    }

    private func unreachable(_ error: any Error) -> RPCError {
        RPCError(.unavailable, "cannot connect to \(endpoint): \(error)", cause: error)
    }

    func close() -> EventLoopFuture<Void> {
        let gone = RPCError(.unavailable, "the client was closed")
        for connection in retiring.values { connection.close(gone) }
        switch state {
        case .idle: return eventLoop.makeSucceededVoidFuture()
        case .connected(let connection):
            connection.close(gone)
            return eventLoop.makeSucceededVoidFuture()
        case .connecting(let connection):
            let closed = eventLoop.makePromise(of: Void.self)
            connection.assumeIsolated().whenComplete { result in
                if case .success(let connection) = result { connection.close(gone) }
                closed.succeed(())
            }
            return closed.futureResult
        }
    }

    private func connection() -> EventLoopFuture<ClientConnection> {
        switch state {
        case .connected(let connection): return eventLoop.assumeIsolated().makeSucceededFuture(connection)
        case .connecting(let future): return future
        case .idle:
            let future = connect()
            state = .connecting(future)
            future.assumeIsolated().whenComplete { result in
                switch result {
                case .success(let connection):
                    // It may have ended in the moment it was made.
                    if case .connecting = self.state { self.state = .connected(connection) }
                case .failure(let error):
                    self.state = .idle
                    self.logger.debug(
                        "cannot connect", metadata: ["endpoint": "\(self.endpoint)", "error": "\(error)"])
                }
            }
            return future
        }
    }

    private func connect() -> EventLoopFuture<ClientConnection> {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(options.connectTimeout.timeAmount)
            .channelOption(.maxMessagesPerRead, value: 16)
        let connection = makeConnection()
        let box = NIOLoopBound(connection, eventLoop: eventLoop)
        let (tls, timeout) = (tls, options.connectTimeout.timeAmount)
        // What the certificate must name unless the configuration names another.
        let dialled: String? = if case .tcp(let host, _) = endpoint { host } else { nil }
        let ready = eventLoop.makePromise(of: Void.self)
        let configured = bootstrap.channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                guard let tls else { return }
                let overdue = channel.eventLoop.scheduleTask(in: timeout) {
                    ready.fail(RPCError(.unavailable, "the TLS handshake was not finished in time"))
                }
                let waiter = TLSHandshakeWaiter { channel, negotiated, _ in
                    overdue.cancel()
                    return channel.eventLoop.makeCompletedFuture {
                        guard negotiated == "h2" else {
                            let error = RPCError(.unavailable, "the server does not speak HTTP/2 over TLS (ALPN h2)")
                            ready.fail(error)
                            throw error
                        }
                        try channel.pipeline.syncOperations.addHandler(box.value)
                        ready.succeed(())
                    }
                }
                try channel.pipeline.syncOperations.addHandlers(
                    TLSHandler(context: tls, serverName: dialled), waiter, HandshakeFailure(ready))
            }
        }
        let channel: EventLoopFuture<any Channel> =
            switch endpoint {
            case .unix(let path): configured.connect(unixDomainSocketPath: path)
            case .tcp(let host, let port):
                configured
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelOption(.socketOption(.so_keepalive), value: 1)
                    .connect(host: host, port: port)
            }
        let usesTLS = tls != nil
        channel.whenFailure { ready.fail($0) }
        channel.whenSuccess { channel in
            guard !usesTLS else { return }
            ready.completeWith(Result { try channel.pipeline.syncOperations.addHandler(box.value) })
        }
        ready.futureResult.whenFailure { _ in channel.whenSuccess { $0.close(promise: nil) } }
        return ready.futureResult.map { box.value }
    }

    private func makeConnection() -> ClientConnection {
        let authority: String =
            switch endpoint {
            case .unix: "localhost"
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            }
        return ClientConnection(
            options: options, authority: authority, name: endpoint.description,
            onRetire: { [weak self] connection in self?.retired(connection) },
            onGone: { [weak self] connection in self?.retiring[ObjectIdentifier(connection)] = nil },
            onRefused: { [weak self] call in
                call.mayRetry = false
                self?.send(call)
            })
    }

    private func retired(_ connection: ClientConnection) {
        retiring[ObjectIdentifier(connection)] = connection
        switch state {
        case .connected(let current) where current === connection: state = .idle
        case .connecting: break
        default: break
        }
    }
}

/// Reports a TLS handshake that failed to whoever waits for the connection.
private final class HandshakeFailure: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let ready: EventLoopPromise<Void>

    init(_ ready: EventLoopPromise<Void>) { self.ready = ready }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ready.fail(error)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(RPCError(.unavailable, "the connection ended during the TLS handshake"))
        context.fireChannelInactive()
    }
}
