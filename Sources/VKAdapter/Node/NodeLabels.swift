/// Which labels a node may give itself when it comes with the rights of a node identity (the API server's NodeRestriction:
/// what lies below `kubernetes.io` and `k8s.io` is the cluster's, but for what a kubelet knows of its machine).
enum NodeLabels {
    private static let known: Set<String> = [
        "kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch", "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch", "beta.kubernetes.io/instance-type", "node.kubernetes.io/instance-type",
        "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
    ]
    private static let ownNamespaces = ["kubelet.kubernetes.io", "node.kubernetes.io"]
    private static let clusterDomains = ["kubernetes.io", "k8s.io"]

    static func isOwn(_ label: String) -> Bool {
        guard !known.contains(label), let slash = label.firstIndex(of: "/") else { return true }
        let namespace = label[..<slash]
        if ownNamespaces.contains(where: { namespace == $0 || namespace.hasSuffix("." + $0) }) { return true }
        return !clusterDomains.contains { namespace == $0 || namespace.hasSuffix("." + $0) }
    }
}
