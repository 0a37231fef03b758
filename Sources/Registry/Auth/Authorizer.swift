import FoundationEssentials
import NIOCore
import Synchronization

/// Finds the header by which a registry lets us in: what it asked for the last time is shown at once the next time.
/// Tokens are kept per registry, repository and credentials until they are about to expire; however many requests want
/// one, it is fetched once.
final class Authorizer: Sendable {
    /// Whom a request is to, what for, and who asks.
    struct Need: Sendable, Hashable {
        var origin: Origin
        var scope: Scope
        var credentials: RegistryCredentials
    }

    private struct Token: Sendable {
        var text: String
        var goodUntil: ContinuousClock.Instant
    }

    private struct State {
        /// How a registry wanted to be answered.
        var challenges: [Need: Challenge] = [:]
        var tokens: [Need: Token] = [:]
        var fetches: [Need: Task<Token, any Error>] = [:]
    }

    private static let remembered = 1000
    private let state = Mutex(State())
    /// Asks a token server.
    private let ask: @Sendable (TokenRequest) async throws -> TokenAnswer

    init(ask: @escaping @Sendable (TokenRequest) async throws -> TokenAnswer) { self.ask = ask }

    /// What to show at first; nil for nothing.
    func header(_ need: Need) async throws -> String? {
        if case .registryToken(let token) = need.credentials { return "Bearer " + token }
        guard let challenge = state.withLock({ $0.challenges[need] }) else { return nil }
        return try await answer(challenge, need)
    }

    /// What to show to a registry that did not accept `shown`; nil when there is nothing else.
    func header(_ need: Need, challenges: [Challenge], refused shown: String?) async throws -> String? {
        if case .registryToken = need.credentials { return nil }
        let bearer = challenges.first { $0.scheme == "bearer" && $0.parameters["realm"] != nil }
        let basic = challenges.first { $0.scheme == "basic" && need.credentials.basicHeader != nil }
        guard let challenge = bearer ?? basic else { return nil }
        state.withLock { state in
            if state.challenges.count > Self.remembered { state.challenges = [:] }
            state.challenges[need] = challenge
            // Several requests may have shown the same token: only the first of them takes it away.
            if let token = state.tokens[need], "Bearer " + token.text == shown { state.tokens[need] = nil }
        }
        let answer = try await answer(challenge, need)
        return answer == shown ? nil : answer
    }

    private func answer(_ challenge: Challenge, _ need: Need) async throws -> String? {
        if challenge.scheme == "basic" { return need.credentials.basicHeader }
        return "Bearer " + (try await token(challenge, need))
    }

    private func token(_ challenge: Challenge, _ need: Need) async throws -> String {
        let pending: Task<Token, any Error> = state.withLock { state in
            if let token = state.tokens[need], ContinuousClock.now < token.goodUntil {
                return Task<Token, any Error> { token }
            }
            if let running = state.fetches[need] { return running }
            let started = Task<Token, any Error> { [self] in
                defer { self.state.withLock { $0.fetches[need] = nil } }
                let token = try await fetch(challenge, need)
                self.state.withLock { state in
                    if state.tokens.count > Self.remembered { state.tokens = [:] }
                    state.tokens[need] = token
                }
                return token
            }
            state.fetches[need] = started
            return started
        }
        // Who is cancelled waits no longer; the fetch has a deadline of its own, and others may wait for it.
        return try await pending.valueUnlessCancelled().text
    }

    private func fetch(_ challenge: Challenge, _ need: Need) async throws -> Token {
        guard let realm = WebAddress(challenge.parameters["realm"] ?? "") else {
            throw RegistryError(
                .failed,
                "\(need.origin) names a token server that is no http or https address: its configuration is wrong")
        }
        let request = TokenRequest(
            realm: realm, service: challenge.parameters["service"],
            scope: need.scope.adding(challenge.parameters["scope"]), credentials: need.credentials,
            registry: need.origin)
        let begin = ContinuousClock.now
        let answer = try await ask(request)
        // Without a word a token is good for a minute (the token specification); it is not used in its last tenth.
        let lifetime = Duration.seconds(answer.lifetime ?? 60)
        return Token(text: answer.token, goodUntil: begin + lifetime * 0.9)
    }
}

extension Task where Failure == any Error {
    /// Waits for the result; a waiting task that is cancelled stops waiting, and this one goes on.
    fileprivate func valueUnlessCancelled() async throws -> Success {
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: Success.self)
        Task<Void, Never> {
            do {
                continuation.yield(try await value)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        for try await value in stream { return value }
        throw _Concurrency.CancellationError()
    }
}

/// What a token server is asked.
struct TokenRequest: Sendable {
    /// As in the form that OAuth 2 wants.
    static let client = "vz-cri"

    var realm: WebAddress
    var service: String?
    var scope: Scope
    var credentials: RegistryCredentials
    /// Which registry sent us there.
    var registry: Origin

    /// For a GET: all but the name and password, which are in a header.
    var address: WebAddress {
        var address = realm
        if let service { address = address.adding("service", service) }
        for text in scope.texts { address = address.adding("scope", text) }
        if case .basic(let user, _) = credentials { address = address.adding("account", user) }
        return address
    }

    /// For a POST with a refresh token; nil for others.
    var form: String? {
        guard case .identityToken(let token) = credentials else { return nil }
        let fields = [
            ("grant_type", "refresh_token"), ("service", service ?? ""), ("scope", scope.texts.joined(separator: " ")),
            ("client_id", Self.client), ("refresh_token", token),
        ]
        return fields.map { "\($0)=\(WebAddress.encoded($1))" }.joined(separator: "&")
    }
}

/// What a token server answers.
struct TokenAnswer: Sendable {
    var token: String
    /// Seconds; nil when it does not say.
    var lifetime: Int?

    private struct Body: Codable {
        var token: String?
        var access_token: String?
        var expires_in: Double?
    }

    init(token: String, lifetime: Int? = nil) {
        self.token = token
        self.lifetime = lifetime
    }

    /// nil for what is no such answer.
    init?(parsing bytes: ByteBuffer) {
        guard let body = try? JSONDecoder().decode(Body.self, from: Data(bytes.readableBytesView)),
            let token = [body.access_token, body.token].lazy.compactMap({ $0 }).first(where: { !$0.isEmpty }),
            token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f })
        else { return nil }
        self.token = token
        lifetime = body.expires_in.map { Int(max(1, min($0, 86_400))) }
    }
}
