import KubeAPI

/// Whether a node is one a pod asks for: its `nodeSelector` and the required part of its node affinity.
///
/// Only labels the node gives itself are judged: others may have given it more, and the scheduler has looked at those.
enum NodeSelection {
    static func matches(_ spec: PodSpec, labels: [String: String], name: String) -> Bool {
        guard spec.nodeSelector.allSatisfy({ labels[$0.key] ?? $0.value == $0.value }) else { return false }
        guard
            let required = spec.affinity?["nodeAffinity"]?["requiredDuringSchedulingIgnoredDuringExecution"],
            required.kind != .null
        else { return true }
        // One term is enough; none at all matches nothing.
        return (required["nodeSelectorTerms"]?.array ?? []).contains { term in
            let expressions = term["matchExpressions"]?.array ?? []
            let fields = term["matchFields"]?.array ?? []
            guard !expressions.isEmpty || !fields.isEmpty else { return false }
            return expressions.allSatisfy { expression in
                labels[expression["key"]?.string ?? ""].map { matches(expression, value: $0) } ?? true
            }
                && fields.allSatisfy { $0["key"]?.string == "metadata.name" && matches($0, value: name) }
        }
    }

    private static func matches(_ requirement: Value, value: String) -> Bool {
        let values = (requirement["values"]?.array ?? []).compactMap(\.string)
        switch requirement["operator"]?.string {
        case "In": return values.contains(value)
        case "NotIn": return !values.contains(value)
        case "Exists": return true
        case "DoesNotExist": return false
        case "Gt", "Lt":
            guard let have = Int64(value), let limit = values.first.flatMap({ Int64($0) }) else { return false }
            return requirement["operator"]?.string == "Gt" ? have > limit : have < limit
        default: return false
        }
    }
}
