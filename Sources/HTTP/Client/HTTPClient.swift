import NIOConcurrencyHelpers
public import NIOCore
public import NIOHTTP1
import NIOPosix
public import Sockets
public import TLS

/// How a client treats its connections.
public struct HTTPClientOptions: Sendable {
    public var connectTimeout: TimeAmount = .seconds(10)
    /// Idle connections kept for the next request.
    public var idleConnections = 8
    /// How long they are kept.
    public var idleTimeout: TimeAmount = .seconds(60)
    /// Bytes of all header fields of a response together.
    public var headBytes = 256 << 10

    public init() {}
}

/// What a server answered. The body comes as it is read.
public struct HTTPClientResponse: Sendable {
    public let status: HTTPResponseStatus
    public let headers: HTTPHeaders
    public let body: HTTPBody
}

/// An HTTP/1.1 client of one server.
public final class HTTPClient: Sendable {
    public enum RequestBody: Sendable {
        case none
        case bytes(ByteBuffer)
        /// Sent chunked while it is produced.
        case stream(@Sendable (HTTPBodyWriter) async throws -> Void)
    }

    public let endpoint: Endpoint
    private let tls: TLSContext?
    private let options: HTTPClientOptions
    private let group: any EventLoopGroup
    private let pool: NIOLockedValueBox<(idle: [HTTPClientConnection], isClosed: Bool)>
    private let host: String

    public init(
        endpoint: Endpoint, tls: TLSContext? = nil, options: HTTPClientOptions = .init(), group: any EventLoopGroup
    ) {
        self.endpoint = endpoint
        self.tls = tls
        self.options = options
        self.group = group
        pool = NIOLockedValueBox((idle: [], isClosed: false))
        host =
            switch endpoint {
            case .unix: "localhost"
            case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
            }
    }

    /// Sends a request and returns when the head of the response is there.
    /// - Parameters:
    ///   - target: path and query, encoded.
    ///   - timeout: until the head; connecting has its own limit. The body may take as long as it takes.
    /// - Throws: `HTTPError`: `invalidArgument` for what cannot stand in a request, `unavailable` when the server cannot
    ///   be reached, `timedOut`, `connectionLost`. `CancellationError`.
    public func execute(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: RequestBody = .none,
        timeout: TimeAmount?
    ) async throws -> HTTPClientResponse {
        let head = try requestHead(method, target, headers, body)
        // The server may have closed one while it was idle: nothing was answered, so nothing was lost.
        while let idle = takeIdle() {
            do {
                return try await send(head, body, on: idle, timeout)
            } catch is StaleConnection {
                continue
            } catch let error as HTTPError
                where error.code == .connectionLost && isRepeatable(method, body)
            {
                break
            }
        }
        do {
            return try await send(head, body, on: try await connect(), timeout)
        } catch let stale as StaleConnection {
            throw stale.error
        }
    }

    /// Sends a request to switch to `protocolName` and hands over the connection. Also takes a 200 without a length, as
    /// Docker's oldest servers answer.
    /// - Throws: ``HTTPUpgradeRefused`` with the response when the server answers otherwise.
    public func upgrade(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: ByteBuffer? = nil,
        to protocolName: String,
        timeout: TimeAmount?
    ) async throws -> (head: HTTPResponseHead, connection: RawConnection) {
        var headers = headers
        headers.replaceOrAdd(name: "connection", value: "Upgrade")
        headers.replaceOrAdd(name: "upgrade", value: protocolName)
        let body: RequestBody = body.map { .bytes($0) } ?? .none
        let head = try requestHead(method, target, headers, body)
        let connection = try await connect()
        let answer = try await connection.withDeadline(timeout, "\(method) \(target)") {
            do {
                return try await connection.upgrade(head, body)
            } catch let stale as StaleConnection {
                throw stale.error
            }
        }
        switch answer {
        case .upgraded(let head, let raw): return (head, raw)
        case .refused(let response):
            // The status says enough when the text does not come.
            let text = try? await connection.withDeadline(timeout, "\(method) \(target)") {
                String(buffer: try await response.body.collect(upTo: 64 << 10))
            }
            await connection.close()
            try Task.checkCancellation()
            throw HTTPUpgradeRefused(status: response.status, text: text ?? "")
        }
    }

    /// Closes idle connections; those in use close when their response has been read.
    public func close() async {
        let idle = pool.withLockedValue { pool in
            pool.isClosed = true
            defer { pool.idle = [] }
            return pool.idle
        }
        for connection in idle { await connection.close() }
    }

    private func requestHead(
        _ method: HTTPMethod, _ target: String, _ headers: HTTPHeaders, _ body: RequestBody
    ) throws -> HTTPRequestHead {
        guard HeadCheck.isTarget(target), HeadCheck.isToken(method.rawValue) else {
            throw HTTPError(
                .invalidArgument,
                "\(method.rawValue.debugDescription) \(target.debugDescription) cannot be requested: encode it")
        }
        if let name = HeadCheck.unsendable(headers) {
            throw HTTPError(.invalidArgument, "the header \(name.debugDescription) cannot be sent with its value")
        }
        var headers = headers
        if !headers.contains(name: "host") { headers.add(name: "host", value: host) }
        switch body {
        case .none where method == .POST || method == .PUT || method == .PATCH:
            headers.replaceOrAdd(name: "content-length", value: "0")
        case .none: break
        case .bytes(let bytes): headers.replaceOrAdd(name: "content-length", value: "\(bytes.readableBytes)")
        // A producer that knows its length may say it.
        case .stream where headers.contains(name: "content-length"): break
        case .stream: headers.replaceOrAdd(name: "transfer-encoding", value: "chunked")
        }
        return HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers)
    }

    private func isRepeatable(_ method: HTTPMethod, _ body: RequestBody) -> Bool {
        if case .stream = body { return false }
        return [.GET, .HEAD, .OPTIONS, .PUT, .DELETE].contains(method)
    }

    private func send(
        _ head: HTTPRequestHead, _ body: RequestBody, on connection: HTTPClientConnection, _ timeout: TimeAmount?
    ) async throws -> HTTPClientResponse {
        try await connection.withDeadline(timeout, "\(head.method) \(head.uri)") {
            try await connection.send(head, body)
        }
    }

    // MARK: Connections

    private func takeIdle() -> HTTPClientConnection? {
        pool.withLockedValue { pool in
            while let connection = pool.idle.popLast() {
                if connection.isUsable { return connection }
            }
            return nil
        }
    }

    private func giveBack(_ connection: HTTPClientConnection) {
        let (kept, timeout) = pool.withLockedValue { pool in
            let isKept = !pool.isClosed && pool.idle.count < options.idleConnections
            if isKept { pool.idle.append(connection) }
            return (isKept, options.idleTimeout)
        }
        if kept { connection.closeAfterIdle(timeout) } else { connection.closeSoon() }
    }

    /// What a task that is cancelled while it connects must end.
    private struct Attempt {
        var channels: [any Channel] = []
        var isCancelled = false
    }

    private func connect() async throws -> HTTPClientConnection {
        let attempt = NIOLockedValueBox(Attempt())
        return try await withTaskCancellationHandler {
            do {
                return try await connect(attempt)
            } catch {
                try Task.checkCancellation()
                throw HTTPError(.unavailable, "cannot connect to \(endpoint)", cause: error)
            }
        } onCancel: {
            let channels = attempt.withLockedValue { attempt in
                attempt.isCancelled = true
                return attempt.channels
            }
            for channel in channels { channel.close(promise: nil) }
        }
    }

    private func connect(_ attempt: NIOLockedValueBox<Attempt>) async throws -> HTTPClientConnection {
        let ready = group.any().makePromise(of: HTTPClientConnection.self)
        let (tls, timeout, headBytes) = (tls, options.connectTimeout, options.headBytes)
        // Whose certificate it must be, unless the context names somebody else.
        let dialled: String? = if case .tcp(let host, _) = endpoint { host } else { nil }
        let onIdle: @Sendable (HTTPClientConnection) -> Void = { [weak self] connection in
            if let self { giveBack(connection) } else { connection.closeSoon() }
        }
        let finish: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            channel.eventLoop.makeCompletedFuture {
                ready.succeed(try HTTPClientConnection(channel, headBytes: headBytes, onIdle: onIdle))
            }
        }
        let bootstrap = ClientBootstrap(group: group)
            .connectTimeout(timeout)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                let isCancelled = attempt.withLockedValue { attempt in
                    attempt.channels.append(channel)
                    return attempt.isCancelled
                }
                return channel.eventLoop.makeCompletedFuture {
                    if isCancelled { throw CancellationError() }
                    guard let tls else { return }
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: tls, serverName: dialled, handshakeTimeout: timeout),
                        TLSHandshakeWaiter { channel, _, _ in finish(channel) }, HandshakeFailure(ready))
                }
            }
        do {
            let channel: any Channel
            switch endpoint {
            case .unix(let path): channel = try await bootstrap.connect(unixDomainSocketPath: path).get()
            case .tcp(let host, let port):
                channel =
                    try await bootstrap
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    .channelOption(.socketOption(.so_keepalive), value: 1)
                    .connect(host: host, port: port).get()
            }
            if tls == nil { try await channel.eventLoop.flatSubmit { finish(channel) }.get() }
        } catch {
            // Nobody else may be left waiting for it.
            ready.fail(error)
        }
        return try await ready.futureResult.get()
    }
}

/// The server did not switch protocols.
public struct HTTPUpgradeRefused: Error, Sendable, CustomStringConvertible {
    public let status: HTTPResponseStatus
    /// The response's body as text.
    public let text: String

    public var description: String { "the server refused to upgrade the connection: \(status.code) \(text)" }
}

/// Reports a TLS handshake that failed to whoever waits for the connection.
private final class HandshakeFailure: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let ready: EventLoopPromise<HTTPClientConnection>

    init(_ ready: EventLoopPromise<HTTPClientConnection>) { self.ready = ready }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        ready.fail(error)
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ready.fail(HTTPError(.connectionLost, "the connection ended during the TLS handshake"))
        context.fireChannelInactive()
    }
}
