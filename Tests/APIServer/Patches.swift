import KubeAPI

/// How patches change a document.
enum Patches {
    /// RFC 7386.
    static func merge(_ patch: Value, into target: Value) -> Value {
        guard case .object(let changes) = patch.kind else { return patch }
        var result = target
        if case .object = target.kind {} else { result = Value(.object([])) }
        for change in changes {
            if change.value.kind == .null {
                result.set([change.name], nil)
            } else {
                result.set([change.name], merge(change.value, into: result[change.name] ?? Value(.null)))
            }
        }
        return result
    }

    /// Kubernetes' own kind: as above, but lists whose members have a key are merged member by member.
    static func strategic(_ patch: Value, into target: Value) -> Value {
        guard case .object(let changes) = patch.kind else { return patch }
        if patch["$patch"]?.string == "replace" {
            var result = patch
            result.set(["$patch"], nil)
            return result
        }
        var result = target
        if case .object = target.kind {} else { result = Value(.object([])) }
        for change in changes where !change.name.hasPrefix("$") {
            let old = result[change.name]
            switch change.value.kind {
            case .null: result.set([change.name], nil)
            case .array(let members):
                result.set([change.name], list(members, into: old?.array ?? [], of: change.name))
            default: result.set([change.name], strategic(change.value, into: old ?? Value(.null)))
            }
        }
        for change in changes where change.name.hasPrefix("$deleteFromPrimitiveList/") {
            let name = String(change.name.dropFirst("$deleteFromPrimitiveList/".count))
            let gone = change.value.array ?? []
            result.set([name], Value(.array((result[name]?.array ?? []).filter { !gone.contains($0) })))
        }
        return result
    }

    /// The key of a list's members (`patchMergeKey`), by the list's name.
    private static let keys = [
        "conditions": "type", "addresses": "type", "containers": "name", "initContainers": "name",
        "ephemeralContainers": "name", "volumes": "name", "env": "name", "volumeMounts": "mountPath",
        "ownerReferences": "uid", "taints": "key", "imagePullSecrets": "name", "hostAliases": "ip", "podIPs": "ip",
        "hostIPs": "ip", "ports": "containerPort",
    ]

    private static func list(_ patch: [Value], into target: [Value], of name: String) -> Value {
        if name == "finalizers" { return Value(.array(target + patch.filter { !target.contains($0) })) }
        guard let key = keys[name] else { return Value(.array(patch)) }
        if patch.contains(where: { $0["$patch"]?.string == "replace" }) {
            return Value(.array(patch.filter { $0["$patch"] == nil }))
        }
        var result = target
        for member in patch {
            let index = result.firstIndex { $0[key] == member[key] }
            if member["$patch"]?.string == "delete" {
                if let index { result.remove(at: index) }
            } else if let index {
                result[index] = strategic(member, into: result[index])
            } else {
                result.append(strategic(member, into: Value(.null)))
            }
        }
        return Value(.array(result))
    }
}
