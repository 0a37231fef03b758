import Testing

@testable import VKAdapter

@Suite struct NodeLabelsTests {
    @Test(
        "a node identity may set what a kubelet knows of its machine, and nothing else of the cluster's",
        arguments: [
            ("kubernetes.io/hostname", true), ("topology.kubernetes.io/zone", true), ("type", true),
            ("example.com/rack", true), ("node.kubernetes.io/exclude-from-external-load-balancers", true),
            ("kubelet.kubernetes.io/x", true), ("a.node.kubernetes.io/x", true), ("mykubernetes.io/x", true),
            ("kubernetes.io/role", false), ("node-role.kubernetes.io/worker", false),
            ("node-restriction.kubernetes.io/x", false), ("k8s.io/x", false),
        ])
    func own(label: String, isOwn: Bool) {
        #expect(NodeLabels.isOwn(label) == isOwn)
    }
}
