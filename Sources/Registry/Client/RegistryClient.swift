import AsyncHTTPClient
public import Logging
public import NIOCore
import NIOHTTP1
public import NIOPosix
import Waiting

/// Speaks to registries (OCI distribution specification, and Docker's). One is enough for a process: connections and tokens
/// are shared by all that is done through it.
public final class RegistryClient: Sendable {
    public let configuration: RegistryConfiguration
    let transport: Transport
    let authorizer: Authorizer
    let logger: Logger

    /// Call ``shutdown()`` when done with it.
    public init(
        configuration: RegistryConfiguration = .init(),
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger
    ) {
        self.configuration = configuration
        self.logger = logger
        let transport = Transport(configuration, group: group, logger: logger)
        self.transport = transport
        let retries = Retries(timing: configuration.timing, attempts: configuration.timing.attempts, logger: logger)
        authorizer = Authorizer { request in
            try await retries.run { try await Self.askForToken(request, transport) }
        }
    }

    /// Ends all connections.
    public func shutdown() async { await transport.shutdown() }

    /// One repository of a registry, to pull from and to push to.
    ///
    /// - Parameters:
    ///   - reference: its tag and digest do not matter.
    ///   - credentials: of the caller; nil: those in the configured file, else none. They are shown to the registry of
    ///     the image alone, not to its mirrors.
    /// - Throws: `invalidArgument`; `failed` when the configured file cannot be read.
    public func repository(
        _ reference: ImageReference, credentials: RegistryCredentials? = nil
    ) async throws -> Repository {
        let file = configuration.credentialFile.map { CredentialFile(path: $0) }
        let name = reference.repository
        let origin = try configuration.origin(reference.registryHost)
        let own: RegistryCredentials =
            if let credentials {
                credentials
            } else {
                try await file?.credentials(registry: reference.registry, repository: name) ?? .anonymous
            }
        var mirrors: [Endpoint] = []
        for text in configuration.rule(host: origin.host, port: origin.port)?.mirrors ?? [] {
            let (mirror, prefix) = try configuration.mirror(text)
            let path = prefix + name
            let credentials = try await file?.credentials(registry: mirror.authority, repository: path)
            mirrors.append(
                Endpoint(origin: mirror, name: path, credentials: credentials ?? .anonymous, isMirror: true))
        }
        return Repository(
            client: self, registry: reference.registry, name: name,
            endpoint: Endpoint(origin: origin, name: name, credentials: own, isMirror: false), mirrors: mirrors)
    }

    /// Docker's token server interface: a GET with name and password, or a POST with a refresh token.
    private static func askForToken(_ request: TokenRequest, _ transport: Transport) async throws -> TokenAnswer {
        let what = "asking \(request.realm.shown) for a token for \(request.registry.authority)"
        let origin = request.realm.origin
        guard
            origin.isEncrypted || !request.registry.isEncrypted
                || transport.configuration.allowsPlain(host: origin.host, port: origin.port)
        else {
            throw RegistryError(
                .failed, "\(what): the registry is asked over TLS, and its token server would be asked in the clear")
        }
        var message = Transport.Request(
            method: .GET, address: request.address, deadline: transport.configuration.timing.answer)
        message.headers.add(name: "Accept", value: "application/json")
        if let form = request.form {
            message.method = .POST
            message.address = request.realm
            message.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
            message.body = .bytes(ByteBuffer(string: form))
        } else if let basic = request.credentials.basicHeader {
            message.headers.add(name: "Authorization", value: basic)
        }
        let response = try await RegistryError.afterAnAnswer { try await transport.send(message) }
        let body = try await transport.collect(response, upTo: 1 << 20, what, origin)
        guard response.status == .ok else {
            var error = RegistryError(what, status: response.status, headers: response.headers, body: body)
            // 400 is what a refresh token that is no good gets.
            if response.status == .badRequest || response.status == .forbidden { error.code = .unauthorized }
            if error.code == .unauthorized {
                error.message = "\(what): it was shown \(request.credentials) and says no (\(response.status.code))"
            }
            throw error
        }
        guard let answer = TokenAnswer(parsing: body) else {
            throw RegistryError(.failed, "\(what): the answer holds no token")
        }
        return answer
    }
}

extension Transport {
    /// All of a short answer.
    /// - Throws: `wrongContent` for more than `limit` bytes.
    func collect(
        _ response: HTTPClientResponse, upTo limit: Int, _ what: String, _ origin: Origin
    ) async throws -> ByteBuffer {
        do {
            let time = configuration.timing.answer
            let overdue = RegistryError(.unavailable, "\(what): the answer did not end within \(time)")
            return try await withDeadline(time, or: overdue) { try await response.body.collect(upTo: limit) }
        } catch is NIOTooManyBytesError {
            throw RegistryError(.wrongContent, "\(what): the answer is larger than \(limit) bytes")
        } catch {
            throw Self.explained(error, what, origin)
        }
    }

    /// Reads what nobody wants, so that the connection is good for the next request; a long or slow rest is not worth it.
    func discard(_ response: HTTPClientResponse) async {
        do {
            let overdue = RegistryError(.unavailable, "the rest of an answer takes too long")
            _ = try await withDeadline(.seconds(2), or: overdue) { try await response.body.collect(upTo: 64 << 10) }
        } catch {
            logger.trace("an answer was not read to its end", metadata: ["error": "\(error)"])
        }
    }
}
