import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Where a repository is asked for.
struct Endpoint: Sendable, Hashable {
    var origin: Origin
    /// Of the repository, there.
    var name: String
    var credentials: RegistryCredentials
    var isMirror: Bool

    func address(_ path: String) -> WebAddress { WebAddress(origin, "/v2/\(name)/\(path)") }
}

/// One repository of a registry: ``RegistryClient/repository(_:credentials:)`` makes it. What is pulled is asked of the
/// registry's mirrors first; what is pushed goes to the registry itself.
public struct Repository: BlobSource, BlobSink {
    let client: RegistryClient
    /// As images' names have it: `docker.io`.
    public let registry: String
    /// Within the registry: `library/busybox`.
    public let name: String
    let endpoint: Endpoint
    let mirrors: [Endpoint]
    private var attempts: Int
    /// Mirrors that did not have something, and are not asked again through this value.
    private let poor = Shunned()
    /// Where blobs really are.
    private let places = Places()

    init(client: RegistryClient, registry: String, name: String, endpoint: Endpoint, mirrors: [Endpoint]) {
        self.client = client
        self.registry = registry
        self.name = name
        self.endpoint = endpoint
        self.mirrors = mirrors
        attempts = client.configuration.timing.attempts
    }

    /// The same, where something is tried no more often than this.
    public func trying(_ attempts: Int) -> Repository {
        var copy = self
        copy.attempts = max(1, min(attempts, self.attempts))
        return copy
    }

    private final class Shunned: Sendable {
        private let list = Mutex<Set<Endpoint>>([])
        func insert(_ endpoint: Endpoint) { list.withLock { _ = $0.insert(endpoint) } }
        func contains(_ endpoint: Endpoint) -> Bool { list.withLock { $0.contains(endpoint) } }
    }

    /// A mirror that is of no use: the registry is asked in its place.
    func shun(_ mirror: Endpoint, _ error: any Error) {
        poor.insert(mirror)
        client.logger.info(
            "a mirror was of no use",
            metadata: ["mirror": "\(mirror.origin)", "repository": "\(name)", "error": "\(error)"])
    }

    /// A request to one endpoint.
    struct Request {
        var method: HTTPMethod
        var address: WebAddress
        var headers: HTTPHeaders = [:]
        var scope: Scope
        /// Made anew for every try.
        var body: (@Sendable () async throws -> HTTPClientRequest.Body)?
        /// Answers that are none of these are errors.
        var expected: Set<UInt>
        /// What is attempted, for messages.
        var what: String
        /// Until the answer begins; an upload has none.
        var hasDeadline = true
    }

    var retries: Retries {
        Retries(timing: client.configuration.timing, attempts: attempts, logger: client.logger)
    }

    // MARK: Which endpoint

    /// Asks the mirrors, then the registry, each as often as is worth it.
    func pulling<R>(_ body: (Endpoint) async throws -> R) async throws -> R {
        if let answer = try await atMirrors(body) { return answer }
        return try await retries.run { try await body(endpoint) }
    }

    /// - Returns: nil when no mirror is of use.
    private func atMirrors<R>(_ body: (Endpoint) async throws -> R) async throws -> R? {
        for mirror in mirrors where !poor.contains(mirror) {
            do {
                // What a mirror does not have now the registry has: it is not waited for as long.
                var retries = retries
                retries.attempts = min(2, retries.attempts)
                return try await retries.run { try await body(mirror) }
            } catch let error as RegistryError {
                shun(mirror, error)
            }
        }
        return nil
    }

    /// Asks the registry; its mirrors only where nobody answers for it: a host may be able to reach nothing else. Whatever
    /// the registry does answer counts.
    func preferringRegistry<R>(_ body: (Endpoint) async throws -> R) async throws -> R {
        guard !mirrors.isEmpty else { return try await retries.run { try await body(endpoint) } }
        var silences = 0
        do {
            return try await retries.run {
                do {
                    return try await body(endpoint)
                } catch let error as RegistryError where error.isUnanswered {
                    silences += 1
                    if silences == Self.patience { throw Unreachable(cause: error) }
                    throw error
                }
            }
        } catch let failure as Unreachable {
            guard let answer = try await atMirrors(body) else { throw failure.cause }
            client.logger.notice(
                "a registry cannot be reached, and a mirror's word counts",
                metadata: [
                    "registry": "\(endpoint.origin)", "repository": "\(name)", "error": "\(failure.cause)",
                ])
            return answer
        }
    }

    /// So often a registry that has mirrors may be silent.
    private static let patience = 2

    private struct Unreachable: Error {
        var cause: RegistryError
    }

    // MARK: One request

    /// Sends a request, with credentials when they are asked for, and follows redirects of what is only read.
    /// - Returns: an answer of an expected status; its body is still to come.
    func perform(_ request: Request, at endpoint: Endpoint) async throws -> HTTPClientResponse {
        try await follow(request, at: endpoint).response
    }

    /// The same for a part of a blob: where the last part was it is asked for at once, as long as that is not long ago.
    func performKnowing(_ digest: String, _ request: Request, at endpoint: Endpoint) async throws -> HTTPClientResponse
    {
        if let place = places.find(digest, endpoint) {
            do {
                var direct = request
                direct.address = place
                return try await follow(direct, at: endpoint).response
            } catch is RegistryError {
                // The address was good for a while: the registry knows another one.
                places.forget(digest, endpoint)
            }
        }
        let (response, address) = try await follow(request, at: endpoint)
        if address.origin != endpoint.origin { places.keep(address, digest, endpoint) }
        return response
    }

    /// Addresses that the registry redirected to. They hold signatures that are good for some minutes.
    private final class Places: Sendable {
        private struct Key: Hashable {
            var digest: String
            var endpoint: Endpoint
        }

        private static let lifetime = Duration.seconds(60)
        private static let remembered = 1000
        private let known = Mutex<[Key: (address: WebAddress, until: ContinuousClock.Instant)]>([:])

        func find(_ digest: String, _ endpoint: Endpoint) -> WebAddress? {
            known.withLock { known in
                guard let found = known[Key(digest: digest, endpoint: endpoint)], ContinuousClock.now < found.until
                else {
                    return nil
                }
                return found.address
            }
        }

        func keep(_ address: WebAddress, _ digest: String, _ endpoint: Endpoint) {
            known.withLock { known in
                if known.count >= Self.remembered { known = [:] }
                known[Key(digest: digest, endpoint: endpoint)] = (address, .now + Self.lifetime)
            }
        }

        func forget(_ digest: String, _ endpoint: Endpoint) {
            known.withLock { $0[Key(digest: digest, endpoint: endpoint)] = nil }
        }
    }

    private func follow(
        _ request: Request, at endpoint: Endpoint
    ) async throws -> (response: HTTPClientResponse, address: WebAddress) {
        var address = request.address
        var hops = 0
        while true {
            let response =
                hops == 0
                ? try await authorized(request, to: address, at: endpoint)
                : try await RegistryError.afterAnAnswer { try await authorized(request, to: address, at: endpoint) }
            let status = response.status.code
            if request.expected.contains(status) { return (response, address) }
            guard request.method == .GET || request.method == .HEAD, [301, 302, 303, 307, 308].contains(status),
                let location = response.headers.first(name: "Location")
            else { throw await refusal(response, request, address.origin) }
            await client.transport.discard(response)
            hops += 1
            address = try next(location, from: address, hops: hops, request.what)
        }
    }

    private func next(_ location: String, from address: WebAddress, hops: Int, _ what: String) throws -> WebAddress {
        guard hops <= 5 else { throw RegistryError(.failed, "\(what): the registry redirects again and again") }
        guard let next = address.following(location) else {
            throw RegistryError(.failed, "\(what): the registry redirects to what is no http or https address")
        }
        try checkPlain(next.origin, from: address.origin, what)
        return next
    }

    /// What is asked over TLS does not go on in the clear unless it is said that it may.
    func checkPlain(_ origin: Origin, from: Origin, _ what: String) throws {
        guard
            origin.isEncrypted || !from.isEncrypted
                || client.configuration.allowsPlain(host: origin.host, port: origin.port)
        else {
            throw RegistryError(
                .failed,
                "\(what): the registry leads from TLS to \(origin) without it; say plainHTTP: true for that host in "
                    + "registries if that is meant")
        }
    }

    /// Credentials go to the endpoint itself and to nobody else.
    private func authorized(
        _ request: Request, to address: WebAddress, at endpoint: Endpoint
    ) async throws -> HTTPClientResponse {
        var message = Transport.Request(method: request.method, address: address, headers: request.headers)
        message.deadline = request.hasDeadline ? client.configuration.timing.answer : nil
        message.body = try await request.body?()
        guard address.origin == endpoint.origin else { return try await client.transport.send(message) }
        let need = Authorizer.Need(
            origin: endpoint.origin, scope: request.scope, credentials: endpoint.credentials)
        let shown = try await client.authorizer.header(need)
        if let shown { message.headers.replaceOrAdd(name: "Authorization", value: shown) }
        let response = try await client.transport.send(message)
        guard response.status == .unauthorized else { return response }
        let challenges = Challenge.parse(response.headers["WWW-Authenticate"])
        guard let answer = try await client.authorizer.header(need, challenges: challenges, refused: shown) else {
            return response
        }
        await client.transport.discard(response)
        message.headers.replaceOrAdd(name: "Authorization", value: answer)
        message.body = try await request.body?()
        return try await RegistryError.afterAnAnswer { try await client.transport.send(message) }
    }

    private func refusal(_ response: HTTPClientResponse, _ request: Request, _ origin: Origin) async -> any Error {
        var body = ByteBuffer()
        if request.method != .HEAD {
            do {
                body = try await client.transport.collect(
                    response, upTo: RegistryError.bodyLimit, request.what, origin)
            } catch is CancellationError {
                return CancellationError()
            } catch {
                client.logger.debug("the body of a refusal cannot be read", metadata: ["error": "\(error)"])
            }
        }
        return RegistryError(request.what, status: response.status, headers: response.headers, body: body)
    }
}
