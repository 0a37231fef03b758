import KubeAPI
import Synchronization

extension ResourceKind {
    /// Asked and answered, never kept.
    var isReview: Bool { plural == "tokenreviews" || plural == "subjectaccessreviews" }
}

extension APIServerDouble {
    /// What a user may do with subresources of nodes, besides the masters, who may do everything.
    struct Grant: Sendable, Hashable {
        var user: String
        var verb: String
        var subresource: String
    }

    /// Lets a user do something with a subresource of every node.
    public func grant(_ user: String, _ verb: String, _ subresource: String) {
        state.withLock { _ = $0.grants.insert(Grant(user: user, verb: verb, subresource: subresource)) }
    }

    /// Takes everything from a user that was granted.
    public func revoke(_ user: String) { state.withLock { $0.grants = $0.grants.filter { $0.user != user } } }

    /// A token of a user, as a service account's.
    public func token(of user: User) -> String {
        let token = "token-of-\(user.name)"
        state.withLock { $0.tokens[token] = user }
        return token
    }

    func review(_ path: ResourcePath, _ body: Value) throws -> Value {
        guard body["kind"]?.string == path.kind.kind, body["apiVersion"]?.string == path.kind.apiVersion else {
            throw Refusal.bad("the object is no \(path.kind.apiVersion) \(path.kind.kind)")
        }
        return path.kind.plural == "tokenreviews" ? try tokenReview(body) : try accessReview(body)
    }

    private func tokenReview(_ body: Value) throws -> Value {
        guard let token = body.at("spec", "token")?.string, !token.isEmpty else {
            throw Refusal.invalid("spec.token: Required value: token is required for tokenreviews")
        }
        var answer = body
        if let user = state.withLock({ $0.tokens[token] }) {
            answer.set("status", "authenticated", to: Value(.bool(true)))
            answer.set("status", "user", "username", to: user.name)
            answer.set(["status", "user", "groups"], (user.groups + ["system:authenticated"]).encodedAlways())
            answer.set(["status", "audiences"], ["https://kubernetes.default.svc"].encodedAlways())
        } else {
            answer.set("status", "user", to: Value(.object([])))
            answer.set("status", "error", to: "[invalid bearer token, token lookup failed]")
        }
        return answer
    }

    private func accessReview(_ body: Value) throws -> Value {
        let groups = body.at("spec", "groups")?.array?.compactMap(\.string) ?? []
        let user = body.at("spec", "user")?.string ?? ""
        guard !user.isEmpty || !groups.isEmpty else {
            throw Refusal.invalid("spec.user: Invalid value: \"\": at least one of user or group must be specified")
        }
        guard let wanted = body.at("spec", "resourceAttributes") else {
            throw Refusal.invalid(
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or "
                    + "resourceAttributes must be specified")
        }
        let grant = Grant(
            user: user, verb: wanted["verb"]?.string ?? "", subresource: wanted["subresource"]?.string ?? "")
        let isNode = wanted["resource"]?.string == "nodes" && (wanted["group"]?.string ?? "").isEmpty
        let isAllowed = groups.contains("system:masters") || isNode && state.withLock { $0.grants.contains(grant) }
        var answer = body
        answer.set("status", "allowed", to: Value(.bool(isAllowed)))
        return answer
    }
}
