import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import Synchronization

/// What is being sent could not be read.
struct SourceFailure: Error {
    var cause: any Error
}

/// Sends single requests: connections, TLS and proxies. Follows nothing and tries nothing twice.
final class Transport: Sendable {
    struct Request: Sendable {
        var method: HTTPMethod
        var address: WebAddress
        var headers: HTTPHeaders = [:]
        var body: HTTPClientRequest.Body?
        /// Until the answer begins; nil: as long as the body moves.
        var deadline: Duration?
    }

    private struct State {
        /// By the proxy they go through.
        var clients: [ProxyRules.Proxy?: HTTPClient] = [:]
        var tls: [RegistryRule?: TLSConfiguration] = [:]
        var isShutDown = false
    }

    let configuration: RegistryConfiguration
    private let group: any EventLoopGroup
    let logger: Logger
    private let state = Mutex(State())

    init(_ configuration: RegistryConfiguration, group: any EventLoopGroup, logger: Logger) {
        self.configuration = configuration
        self.group = group
        self.logger = logger
    }

    /// - Returns: the answer, whatever its status; its body is still to come.
    /// - Throws: ``RegistryError`` `unavailable` when nobody answers, `failed` when the other side is not to be trusted;
    ///   `CancellationError`.
    func send(_ request: Request) async throws -> HTTPClientResponse {
        var message = HTTPClientRequest(url: request.address.url)
        message.method = request.method
        message.headers = request.headers
        message.headers.replaceOrAdd(name: "User-Agent", value: configuration.userAgent)
        message.body = request.body
        let origin = request.address.origin
        if origin.isEncrypted { message.tlsConfiguration = try await tls(for: origin) }
        let client = try client(configuration.proxies.proxy(for: origin))
        let deadline = request.deadline.map { NIODeadline.now() + TimeAmount($0) } ?? .distantFuture
        do {
            return try await client.execute(message, deadline: deadline, logger: nil)
        } catch {
            let failure = Self.explained(error, "\(request.method) \(request.address.shown)", origin)
            guard var silence = failure as? RegistryError, silence.code == .unavailable, !Self.isRefusal(error) else {
                throw failure
            }
            silence.isUnanswered = true
            throw silence
        }
    }

    /// Somebody is there, and does not want to speak TLS with us.
    private static func isRefusal(_ error: any Error) -> Bool {
        if case NIOSSLError.handshakeFailed(.sslError) = error { true } else { false }
    }

    /// What an error of the client means.
    static func explained(_ error: any Error, _ what: String, _ origin: Origin) -> any Error {
        if error is CancellationError || Task.isCancelled { return CancellationError() }
        if let error = error as? SourceFailure { return error.cause }
        if error is RegistryError { return error }
        if error is NIOSSLError || error is NIOSSLExtraError || error is BoringSSLError {
            let text = String(describing: error)
            if text.contains("WRONG_VERSION_NUMBER") {
                return RegistryError(
                    .failed,
                    "\(what): \(origin) does not speak TLS; if that is meant, say plainHTTP: true in registries",
                    cause: error)
            }
            if text.contains("CERTIFICATE") || error is NIOSSLExtraError {
                return RegistryError(
                    .failed,
                    "\(what): the certificate of \(origin) is not to be trusted; name who signed it (ca) in registries",
                    cause: error)
            }
        }
        if let error = error as? HTTPClientError, error == .readTimeout || error == .writeTimeout {
            return RegistryError(.unavailable, "\(what): nothing moved for too long", cause: error)
        }
        return RegistryError(.unavailable, "\(what): \(origin) does not answer", cause: error)
    }

    private func client(_ proxy: ProxyRules.Proxy?) throws -> HTTPClient {
        try state.withLock { state in
            guard !state.isShutDown else { throw RegistryError(.unavailable, "the registry client was shut down") }
            if let client = state.clients[proxy] { return client }
            var settings = HTTPClient.Configuration()
            settings.redirectConfiguration = .disallow
            settings.httpVersion = .http1Only
            settings.timeout.connect = TimeAmount(configuration.timing.connect)
            settings.timeout.read = TimeAmount(configuration.timing.silence)
            settings.timeout.write = TimeAmount(configuration.timing.silence)
            settings.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = configuration.connections
            // Trying again is done above, where it is known what is worth it.
            settings.connectionPool.retryConnectionEstablishment = false
            settings.proxy = proxy.map { proxy in
                .server(
                    host: proxy.host, port: proxy.port,
                    authorization: proxy.user.map { .basic(username: $0, password: proxy.password ?? "") })
            }
            let client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: settings)
            state.clients[proxy] = client
            return client
        }
    }

    /// The files a rule names are read once: connections are shared by what has the very same configuration.
    private func tls(for origin: Origin) async throws -> TLSConfiguration {
        let rule = configuration.rule(origin)
        if let known = state.withLock({ $0.tls[rule] }) { return known }
        let made = try await NIOThreadPool.singleton.runIfActive { try Self.makeTLS(rule) }
        return state.withLock { state in
            if let known = state.tls[rule] { return known }
            state.tls[rule] = made
            return made
        }
    }

    private static func makeTLS(_ rule: RegistryRule?) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        guard let rule else { return tls }
        if rule.insecure { tls.certificateVerification = .none }
        func read<R>(_ path: String, _ what: String, _ body: () throws -> R) throws -> R {
            do {
                return try body()
            } catch {
                throw RegistryError(
                    .failed, "\(path), the \(what) for the registry \(rule.host), cannot be used: it must be PEM",
                    cause: error)
            }
        }
        if let path = rule.authorities {
            tls.trustRoots = .certificates(
                try read(path, "certificate authority") { try NIOSSLCertificate.fromPEMFile(path) })
        }
        if let path = rule.certificate {
            tls.certificateChain = try read(path, "certificate") {
                try NIOSSLCertificate.fromPEMFile(path).map { .certificate($0) }
            }
            let key = rule.key ?? path
            tls.privateKey = .privateKey(try read(key, "key") { try NIOSSLPrivateKey(file: key, format: .pem) })
        }
        return tls
    }

    func shutdown() async {
        let clients = state.withLock { state in
            state.isShutDown = true
            defer { state.clients = [:] }
            return Array(state.clients.values)
        }
        for client in clients {
            do { try await client.shutdown() } catch { logger.debug("connections to registries: \(error)") }
        }
    }
}
