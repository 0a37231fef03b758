import KubeAPI

extension PodSpec {
    /// Whether a toleration fits the taint.
    func tolerates(_ taint: Taint) -> Bool {
        tolerations.contains { toleration in
            let wanted = toleration["key"]?.string ?? ""
            let isExists = toleration["operator"]?.string == "Exists"
            guard wanted == taint.key || wanted.isEmpty && isExists else { return false }
            guard isExists || ["", "Equal"].contains(toleration["operator"]?.string ?? "") else { return false }
            guard isExists || toleration["value"]?.string ?? "" == taint.value else { return false }
            return [taint.effect, ""].contains(toleration["effect"]?.string ?? "")
        }
    }
}

extension Pod {
    /// Whether it is one the node cannot do without (kubelet `IsCriticalPod`).
    var isCritical: Bool { isStatic || isMirror || (spec.priority ?? 0) >= 2_000_000_000 }
}
