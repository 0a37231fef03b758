import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL
import Synchronization

/// Sends requests to one API server, with what it wants to see of us.
final class KubeTransport: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod = .GET
        /// Path and query.
        var target: String
        var body: [UInt8]?
        var contentType = "application/json"
    }

    /// Connections for watches alone. Over HTTP/2 all requests to a server share one connection, and servers allow a
    /// hundred at once on it: watches, which never end, would leave no room for anything else.
    private struct Lane {
        let http: HTTPClient
        var watches = 1
    }

    /// How many watches share a lane.
    static let laneCapacity = 64

    private struct State {
        var http: HTTPClient
        var lanes: [Lane] = []
        /// The last TLS configuration: connections are shared by requests that have the very same.
        var tls: (of: CredentialStore.Credentials, configuration: TLSConfiguration)?
        var isShutDown = false
    }

    private static let over = KubeAPIError(.unavailable, "the cluster's client was shut down")

    private let connection: ClusterConnection
    private let credentials: CredentialStore
    let recovery = Recovery()
    private let userAgent: String
    private let onCall: (@Sendable (KubeCall) -> Void)?
    private let group: any EventLoopGroup
    private let logger: Logger
    private let state: Mutex<State>

    init(
        _ connection: ClusterConnection, userAgent: String, onCall: (@Sendable (KubeCall) -> Void)? = nil,
        group: any EventLoopGroup, logger: Logger
    ) {
        self.connection = connection
        self.onCall = onCall
        self.userAgent = userAgent
        self.group = group
        self.logger = logger
        credentials = CredentialStore(connection, logger: logger)
        state = Mutex(State(http: Self.client(connection, group)))
    }

    private static func client(_ connection: ClusterConnection, _ group: any EventLoopGroup) -> HTTPClient {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(10))
        // Every watch has one where the server does not speak HTTP/2.
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        // Asking again is the caller's business: it knows what is worth it.
        configuration.connectionPool.retryConnectionEstablishment = false
        if let name = connection.serverName { configuration.dnsOverride = [name: connection.server.host] }
        if let proxy = connection.proxy {
            switch proxy.kind {
            case .socks: configuration.proxy = .socksServer(host: proxy.host, port: proxy.port)
            case .http:
                configuration.proxy = .server(
                    host: proxy.host, port: proxy.port,
                    authorization: proxy.login.map { .basic(username: $0.user, password: $0.password) })
            }
        }
        configuration.http2ConnectionDebugInitializer = { channel in
            channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(ConnectionPings()) }
        }
        return HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
    }

    /// - Parameters:
    ///   - timeout: until the answer begins.
    ///   - lane: for a watch.
    /// - Returns: the answer, whatever its status; its body is still to come.
    /// - Throws: ``KubeAPIError`` `unavailable` when nobody answers, `failed` when there are no credentials.
    func send(_ request: Request, on lane: HTTPClient? = nil, timeout: Duration) async throws -> HTTPClientResponse {
        let shown = try await credentials.current()
        let response = try await send(request, on: lane, showing: shown, timeout: timeout)
        guard response.status == .unauthorized else { return response }
        await credentials.refused(shown)
        let anew = try await credentials.current()
        guard anew != shown else { return response }
        _ = try? await response.body.collect(upTo: 1 << 16)
        return try await send(request, on: lane, showing: anew, timeout: timeout)
    }

    private func send(
        _ request: Request, on lane: HTTPClient?, showing shown: CredentialStore.Credentials, timeout: Duration
    ) async throws -> HTTPClientResponse {
        let server = connection.server.description(host: connection.serverName ?? connection.server.host)
        var message = HTTPClientRequest(url: server + request.target)
        message.method = request.method
        message.headers.add(name: "User-Agent", value: userAgent)
        message.headers.add(name: "Accept", value: "application/json")
        if let authorization = shown.authorization { message.headers.add(name: "Authorization", value: authorization) }
        if let body = request.body {
            message.headers.add(name: "Content-Type", value: request.contentType)
            message.body = .bytes(ByteBuffer(bytes: body))
        }
        let http = try client(for: shown, &message)
        let start = ContinuousClock.now
        do {
            let response = try await (lane ?? http).execute(message, timeout: TimeAmount(timeout), logger: nil)
            // A gateway's 502 to 504 say that nobody is behind it.
            if (502...504).contains(response.status.code) { recovery.failed() } else { recovery.answered() }
            note(request, Int(response.status.code), start)
            return response
        } catch {
            note(request, nil, start)
            let failure = unavailable(request, error)
            if !(failure is CancellationError) { recovery.failed() }
            throw failure
        }
    }

    private func note(_ request: Request, _ status: Int?, _ start: ContinuousClock.Instant) {
        let host = connection.server.host
        let name = "\(host.contains(":") ? "[\(host)]" : host):\(connection.server.port)"
        onCall?(
            KubeCall(
                method: request.method.rawValue, host: name, status: status, duration: start.duration(to: .now)))
    }

    private func client(
        for shown: CredentialStore.Credentials, _ message: inout HTTPClientRequest
    ) throws(KubeAPIError) -> HTTPClient {
        let isEncrypted = connection.server.isEncrypted
        let (http, tls) = try state.withLock { state throws(KubeAPIError) -> (HTTPClient, TLSConfiguration?) in
            guard !state.isShutDown else { throw Self.over }
            guard isEncrypted else { return (state.http, nil) }
            var key = shown
            key.authorization = nil
            if let known = state.tls, known.of == key { return (state.http, known.configuration) }
            let configuration = try tlsConfiguration(key)
            state.tls = (key, configuration)
            return (state.http, configuration)
        }
        message.tlsConfiguration = tls
        return http
    }

    private func tlsConfiguration(_ shown: CredentialStore.Credentials) throws(KubeAPIError) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        if connection.trust == .anybody { tls.certificateVerification = .none }
        do {
            if let authorities = shown.authorities {
                tls.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authorities))
            }
        } catch {
            throw KubeAPIError(.failed, "the cluster's certificate-authority is no PEM certificate", cause: error)
        }
        guard let certificate = shown.certificate else { return tls }
        do {
            tls.certificateChain = try NIOSSLCertificate.fromPEMBytes(certificate.certificates).map { .certificate($0) }
            tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: certificate.key, format: .pem))
        } catch {
            throw KubeAPIError(
                .failed, "our certificate for the cluster or its key cannot be used: both must be PEM", cause: error)
        }
        return tls
    }

    private func unavailable(_ request: Request, _ error: any Error) -> any Error {
        if error is CancellationError { return error }
        if let error = error as? HTTPClientError, error == .cancelled, Task.isCancelled { return CancellationError() }
        return KubeAPIError(
            .unavailable, "the API server \(connection.server) does not answer \(request.method) \(request.target)",
            cause: error)
    }

    /// Runs the body with room for one more watch.
    func withLane<R>(_ body: (HTTPClient) async throws -> R) async throws -> R {
        let http = try state.withLock { state throws(KubeAPIError) -> HTTPClient in
            guard !state.isShutDown else { throw Self.over }
            if let index = state.lanes.firstIndex(where: { $0.watches < Self.laneCapacity }) {
                state.lanes[index].watches += 1
                return state.lanes[index].http
            }
            let lane = Lane(http: Self.client(connection, group))
            state.lanes.append(lane)
            return lane.http
        }
        defer { leave(http) }
        return try await body(http)
    }

    /// A lane nobody uses goes; the last is kept for who comes next.
    private func leave(_ http: HTTPClient) {
        let isOver = state.withLock { state in
            guard let index = state.lanes.firstIndex(where: { $0.http === http }) else { return false }
            state.lanes[index].watches -= 1
            guard state.lanes[index].watches == 0, state.lanes.count > 1 else { return false }
            state.lanes.remove(at: index)
            return true
        }
        if isOver { end([http]) }
    }

    /// How many lanes there are.
    var lanes: Int { state.withLock { $0.lanes.count } }

    /// Ends all connections, and whatever waits on them: what comes next makes new ones. For a network that swallows
    /// everything without a word.
    func reconnect() {
        let old = state.withLock { state -> [HTTPClient] in
            guard !state.isShutDown else { return [] }
            defer {
                state.http = Self.client(connection, group)
                state.lanes = []
            }
            return [state.http] + state.lanes.map(\.http)
        }
        end(old)
    }

    private func end(_ old: [HTTPClient]) {
        for http in old {
            Task { [logger] in
                do { try await http.shutdown() } catch { logger.debug("old connections to the cluster: \(error)") }
            }
        }
    }

    /// Ends all connections for good.
    func shutdown() async {
        let all = state.withLock { state -> [HTTPClient] in
            if state.isShutDown { return [] }
            state.isShutDown = true
            defer { state.lanes = [] }
            return [state.http] + state.lanes.map(\.http)
        }
        for http in all {
            do { try await http.shutdown() } catch { logger.debug("connections to the cluster: \(error)") }
        }
    }
}
