import KubeAPI
import Logging

/// Tokens of service accounts for pods: each is asked for once, bound to its pod, and renewed before it is too old.
actor TokenCache {
    private struct Token {
        var text: String
        var expires: Timestamp
        /// When it is to be renewed.
        var renewal: Timestamp
    }

    /// A token is never used for longer (kubelet `maxTTL`).
    private static let maximumAge: Duration = .seconds(86400)

    private let client: KubeClient
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private var tokens: [String: [TokenKey: Token]] = [:]

    init(client: KubeClient, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }, logger: Logger) {
        self.client = client
        self.now = now
        self.logger = logger
    }

    /// The tokens of a pod, those that are due renewed.
    /// - Throws: when there is none that counts. One that could not be renewed and still counts is used on.
    func tokens(_ keys: Set<TokenKey>, for pod: Pod) async throws -> [TokenKey: String] {
        try await withThrowingTaskGroup(of: (TokenKey, String).self) { group in
            for key in keys { group.addTask { (key, try await self.token(key, for: pod)) } }
            var result: [TokenKey: String] = [:]
            for try await (key, text) in group { result[key] = text }
            return result
        }
    }

    private func token(_ key: TokenKey, for pod: Pod) async throws -> String {
        let known = tokens[pod.metadata.uid]?[key]
        if let known, now() < known.renewal { return known.text }
        do {
            let new = try await request(key, for: pod)
            // Of a pod that ended while we asked nothing is kept.
            tokens[pod.metadata.uid]?[key] = new
            return new.text
        } catch {
            guard let known, now() < known.expires, !Task.isCancelled else { throw error }
            logger.warning(
                "cannot renew a token of service account \(key.serviceAccount), it still counts: \(error)",
                metadata: ["pod": "\(pod.fullName)"])
            // Not asked for again at every look.
            let rest = known.expires.since(now())
            tokens[pod.metadata.uid]?[key]?.renewal = now().advanced(by: min(.seconds(10), rest / 4))
            return known.text
        }
    }

    private func request(_ key: TokenKey, for pod: Pod) async throws -> Token {
        let request = TokenRequest {
            if !key.audience.isEmpty { $0.spec.audiences = [key.audience] }
            $0.spec.expirationSeconds = key.seconds
            $0.spec.boundObjectRef = TokenRequestSpec.Bound {
                $0.kind = "Pod"
                $0.apiVersion = "v1"
                $0.name = pod.metadata.name
                $0.uid = pod.metadata.uid
            }
        }
        let answer = try await ask(request, key, pod)
        let now = now()
        guard !answer.status.token.isEmpty, let expires = answer.status.expirationTimestamp else {
            throw AdapterError(
                .failed, "the API server gave no token of service account \(key.serviceAccount) with an end")
        }
        return Token(
            text: answer.status.token, expires: expires,
            renewal: Self.renewal(received: now, expires: expires, jitter: Double.random(in: 0...1)))
    }

    /// A server learns of a pod's right to a token a moment after the pod: a few tries come one soon after the other.
    private func ask(_ request: TokenRequest, _ key: TokenKey, _ pod: Pod) async throws -> TokenRequest {
        var delay: Duration = .milliseconds(50)
        while true {
            do {
                return try await client.create(
                    request, as: "token", of: .serviceAccounts, namespace: pod.metadata.namespace,
                    name: key.serviceAccount)
            } catch let error as KubeAPIError where error.isForbidden && delay < .seconds(1) {
                try await Task.sleep(for: delay)
                delay *= 2
            } catch let error as KubeAPIError {
                throw AdapterError(
                    error.code == .unavailable ? .unavailable : .failed,
                    "failed to fetch a token of service account \"\(key.serviceAccount)\"", cause: error)
            }
        }
    }

    /// When a token is renewed: after four fifths of its life, up to a twentieth of it (ten seconds at most) sooner, and
    /// at least once a day.
    /// - Parameter jitter: between 0 and 1.
    static func renewal(received: Timestamp, expires: Timestamp, jitter: Double) -> Timestamp {
        let life = min(max(.zero, expires.since(received)) * 4 / 5, maximumAge)
        return received.advanced(by: life - min(.seconds(10), life / 20) * jitter)
    }

    /// When the first of a pod's tokens is due.
    func renewal(for uid: String) -> Timestamp? { tokens[uid]?.values.map(\.renewal).min() }

    /// The pod needs only these; none of it is kept before this was said.
    func keep(_ keys: Set<TokenKey>, for uid: String) {
        tokens[uid] = keys.isEmpty ? nil : (tokens[uid] ?? [:]).filter { keys.contains($0.key) }
    }

    var count: Int { tokens.values.reduce(0) { $0 + $1.count } }
}
