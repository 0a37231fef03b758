import KubeAPI

extension PodVolumes {
    /// Why volumes of a pod do not belong to its `fsGroup`, in words for its owner; `nil` where they do, or need not.
    nonisolated static func groupProblem(_ pod: Pod, hostKeepsGroups: Bool) -> String? {
        guard let group = pod.spec.securityContext?.fsGroup else { return nil }
        // A hostPath is nobody's to give away; a kubelet leaves it as it is as well.
        let own = pod.mountedVolumes.filter { $0.hostPath == nil }
        let claimed = own.filter { $0.claimName(of: pod) != nil }.map(\.name)
        let written = own.filter { $0.claimName(of: pod) == nil }.map(\.name)
        func list(_ names: [String]) -> String { names.map { "\"\($0)\"" }.joined(separator: ", ") }
        var problems: [String] = []
        if !hostKeepsGroups, !written.isEmpty {
            problems.append(
                "the host writes \(list(written)) as a user who can give nothing to a group: containers of that user, or of "
                    + "root, can use them")
        }
        if !claimed.isEmpty { problems.append("the owner of \(list(claimed)) stays as it is on the host") }
        guard !problems.isEmpty else { return nil }
        return "fsGroup \(group) does not hold: " + problems.joined(separator: "; ")
    }
}
