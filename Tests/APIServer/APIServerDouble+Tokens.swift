import KubeAPI
import Synchronization

extension APIServerDouble {
    /// How long tokens of service accounts count at most, whatever is asked for, as a cluster may be configured.
    public func limitTokens(toSeconds seconds: Int64) { state.withLock { $0.tokenLifetime = seconds } }

    /// A token of a service account, bound as the request says (the `token` subresource and NodeRestriction).
    func token(_ path: ResourcePath, _ name: String, _ body: Value, for user: User) throws -> Value {
        guard body["kind"]?.string == "TokenRequest", body["apiVersion"]?.string == "authentication.k8s.io/v1" else {
            throw Refusal.bad("the object is no authentication.k8s.io/v1 TokenRequest")
        }
        let account = try get(path, name)
        let bound = body.at("spec", "boundObjectRef")
        if user.groups.contains("system:nodes") {
            guard bound?["kind"]?.string == "Pod", bound?["uid"]?.string?.isEmpty == false else {
                throw Refusal.forbidden("node requested token not bound to a pod")
            }
        }
        if let bound, bound["kind"]?.string == "Pod" {
            let pods = ResourceKind.all.first { $0.plural == "pods" }
            let key = pods.map {
                Storage.Key(kind: $0, namespace: path.namespace ?? "", name: bound["name"]?.string ?? "")
            }
            guard let key, let pod = state.withLock({ $0.storage.objects[key] }) else {
                throw Refusal.forbidden("pod \"\(bound["name"]?.string ?? "")\" not found")
            }
            guard pod.at("metadata", "uid") == bound["uid"] else {
                throw Refusal.conflict(
                    path.kind, name, "the UID in the bound object reference does not match the UID in record")
            }
            if user.groups.contains("system:nodes") {
                guard "system:node:\(pod.at("spec", "nodeName")?.string ?? "")" == user.name else {
                    throw Refusal.forbidden("node requested token bound to a pod scheduled on a different node")
                }
            }
            guard (pod.at("spec", "serviceAccountName")?.string ?? "default") == name else {
                throw Refusal.bad(
                    "cannot bind token for serviceaccount \"\(name)\" to pod running with different serviceaccount name."
                )
            }
        }
        let asked = body.at("spec", "expirationSeconds")?.int ?? 3600
        guard asked >= 600 else {
            throw Refusal.invalid("spec.expirationSeconds: may not specify a duration less than 10 minutes")
        }
        let (seconds, number) = state.withLock { state in
            state.issued += 1
            return (min(asked, state.tokenLifetime), state.issued)
        }
        var answer = body
        let audiences = body.at("spec", "audiences")?.array ?? []
        if audiences.isEmpty {
            answer.set(["spec", "audiences"], Value(.array([Value(.string("https://kubernetes.default.svc"))])))
        }
        answer.set("spec", "expirationSeconds", to: seconds)
        let audience = audiences.compactMap(\.string).joined(separator: ",")
        let holder = "\(account.at("metadata", "name")?.string ?? "").\(bound?["name"]?.string ?? "")"
        answer.set("status", "token", to: "token-\(number).\(holder).\(audience)")
        answer.set(
            "status", "expirationTimestamp", to: Timestamp.now().advanced(by: .seconds(seconds)).description)
        return answer
    }
}
