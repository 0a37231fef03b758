import KubeAPI

extension PodSpec {
    /// Whether a toleration fits the taint (its value is empty).
    func tolerates(taint key: String, effect: String) -> Bool {
        tolerations.contains { toleration in
            let wanted = toleration["key"]?.string ?? ""
            let isExists = toleration["operator"]?.string == "Exists"
            guard wanted == key || wanted.isEmpty && isExists else { return false }
            guard isExists || (toleration["value"]?.string ?? "").isEmpty else { return false }
            return [effect, ""].contains(toleration["effect"]?.string ?? "")
        }
    }
}

extension Pod {
    /// Whether it is one the node cannot do without (kubelet `IsCriticalPod`).
    var isCritical: Bool { isStatic || isMirror || (spec.priority ?? 0) >= 2_000_000_000 }
}
