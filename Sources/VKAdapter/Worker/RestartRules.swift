import KubeAPI

extension Pod {
    /// Whether a container that ended with this code is started again (kubelet `ContainerShouldRestart`): its own rules
    /// first, then its own policy, then the pod's.
    /// - Parameter isInit: one of those that run before the others: a success of it is not repeated.
    func restarts(_ container: Container, after code: Int32, isInit: Bool = false) -> Bool {
        if container.restartPolicy != nil,
            let rule = container.restartPolicyRules.first(where: { $0.matches(code) }),
            ["Restart", "RestartAllContainers"].contains(rule.action)
        {
            return true
        }
        switch container.restartPolicy ?? spec.restartPolicy {
        case .never: return false
        case .onFailure: return code != 0
        // A side-car is one by this very policy.
        default: return !isInit || container.isSidecar || code != 0
        }
    }

    /// Whether something of the pod is always started again.
    var neverEnds: Bool {
        spec.containers.contains { ($0.restartPolicy ?? spec.restartPolicy) == .always }
    }
}
