import KubeAPI
import Testing

@testable import VKAdapter

/// Every reason a kubelet has for turning a pod away that this node can have as well, with its words.
@Suite struct AdmissionReasonTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var pod: Pod
        var others: [Pod] = []
        var pressure = NodePressure()
        var isEnding = false
        var keepsStrictGroups: Bool?
        var own: KubeAPI.Node?
        var hasAppArmor: Bool?
        /// `REASON: message`; empty where the pod is taken.
        var words = ""
        var testDescription: String { name }
    }

    static func pod(_ requests: [String: Quantity] = [:], _ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        AdmissionTests.pod(requests, configure)
    }

    static func sysctl(_ name: String, _ configure: @escaping (inout Pod) -> Void = { _ in }) -> Pod {
        pod {
            $0.spec.securityContext = PodSecurityContext {
                $0.sysctls = [
                    Sysctl {
                        $0.name = name
                        $0.value = "1"
                    }
                ]
            }
            configure(&$0)
        }
    }

    static let strict = pod {
        $0.spec.securityContext = PodSecurityContext { $0.supplementalGroupsPolicy = "Strict" }
    }
    static let memory = NodePressure(isShortOfMemory: true)

    static let cases: [Case] = [
        Case(
            name: "the node ends", pod: pod(), isEnding: true,
            words: "NodeShutdown: Pod was rejected as the node is shutting down."),
        Case(
            name: "short of disk", pod: pod(["memory": "1"]), pressure: NodePressure(isShortOfDisk: true),
            words: "Evicted: The node had condition: [DiskPressure]. "),
        Case(
            name: "short of memory", pod: pod(), pressure: memory,
            words: "Evicted: The node had condition: [MemoryPressure]. "),
        Case(name: "short of memory, and asked for some", pod: pod(["memory": "1Mi"]), pressure: memory),
        Case(
            name: "short of memory, and does not mind",
            pod: pod { $0.spec.tolerations = [toleration("node.kubernetes.io/memory-pressure", "NoSchedule")] },
            pressure: memory),
        Case(
            name: "short of memory, and does not mind something else",
            pod: pod { $0.spec.tolerations = [toleration("node.kubernetes.io/disk-pressure", "NoSchedule")] },
            pressure: memory, words: "Evicted: The node had condition: [MemoryPressure]. "),
        Case(
            name: "short of memory and processes", pod: pod(["memory": "1Mi"]),
            pressure: NodePressure(isShortOfMemory: true, isShortOfProcesses: true),
            words: "Evicted: The node had condition: [MemoryPressure PIDPressure]. "),
        Case(
            name: "short of disk, but nobody can do without it", pod: pod { $0.spec.priority = 2_000_000_000 },
            pressure: NodePressure(isShortOfDisk: true)),
        Case(name: "a safe kernel setting", pod: sysctl("net.ipv4.tcp_syncookies")),
        Case(name: "a safe one, with slashes", pod: sysctl("net/ipv4/tcp_syncookies")),
        Case(
            name: "an unsafe one", pod: sysctl("net.core.somaxconn"),
            words: #"SysctlForbidden: forbidden sysctl: "net.core.somaxconn" not allowlisted"#),
        Case(name: "one that was allowed", pod: sysctl("kernel.msgmax")),
        Case(
            name: "one of the host's network", pod: sysctl("net.ipv4.tcp_syncookies") { $0.spec.hostNetwork = true },
            words: #"SysctlForbidden: forbidden sysctl: "net.ipv4.tcp_syncookies" not allowed with host net enabled"#),
        Case(
            name: "one of the host's memory", pod: sysctl("kernel.shm_rmid_forced") { $0.spec.hostIPC = true },
            words: #"SysctlForbidden: forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host ipc enabled"#),
        Case(
            name: "another system by label", pod: pod { $0.metadata.labels["kubernetes.io/os"] = "windows" },
            words: "PodOSSelectorNodeLabelDoesNotMatch: Failed to admit pod as the `kubernetes.io/os` label doesn't "
                + "match node label"),
        Case(
            name: "another system", pod: pod { $0.spec.os = PodOS { $0.name = "windows" } },
            words: "PodOSNotSupported: Failed to admit pod as the OS field doesn't match node OS"),
        Case(name: "just its groups, and nobody knows yet", pod: strict),
        Case(name: "just its groups", pod: strict, keepsStrictGroups: true),
        Case(
            name: "just its groups, which the runtime cannot", pod: strict, keepsStrictGroups: false,
            words: "SupplementalGroupsPolicyNotSupported: SupplementalGroupsPolicy=Strict is not supported in this node"
        ),
        Case(name: "any groups", pod: pod(), keepsStrictGroups: false),
        Case(
            name: "no more pods", pod: pod(["cpu": "9"]), others: [pod(), pod(), pod()],
            words: "OutOfpods: Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"),
        Case(
            name: "of several resources the kubelet's first",
            pod: pod(["memory": "9Gi", "ephemeral-storage": "9Gi", "cpu": "9", "vzcri.dev/vm": "9"]),
            words: "OutOfcpu: Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 4000"),
        Case(
            name: "memory before disk", pod: pod(["memory": "9Gi", "ephemeral-storage": "9Gi"]),
            words: "OutOfmemory: Node didn't have enough resource: memory, requested: 9663676416, used: 0, "
                + "capacity: 8589934592"),
        Case(
            name: "disk", pod: pod(["ephemeral-storage": "2Gi"]),
            words:
                "OutOfephemeral-storage: Node didn't have enough resource: ephemeral-storage, requested: 2147483648, "
                + "used: 0, capacity: 1073741824"),
        Case(
            name: "places of machines", pod: pod(["vzcri.dev/vm": "3"]),
            words:
                "OutOfvzcri.dev/vm: Node didn't have enough resource: vzcri.dev/vm, requested: 3, used: 0, capacity: 2"),
        Case(
            name: "resources before labels", pod: pod(["cpu": "9"]) { $0.spec.nodeSelector = ["disk": "hdd"] },
            words: "OutOfcpu: Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 4000"),
        Case(
            name: "labels", pod: pod { $0.spec.nodeSelector = ["disk": "hdd"] },
            words: "NodeAffinity: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"),
        Case(
            name: "labels that others gave the node",
            pod: pod {
                $0.spec.nodeSelector = ["disk": "fast"]
                $0.spec.tolerations = [toleration("maintenance", "NoExecute")]
            }, own: tainted),
        Case(
            name: "a taint that ends pods", pod: pod(), own: tainted,
            words: "TaintToleration: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"),
        Case(
            name: "a taint that ends pods, tolerated",
            pod: pod { $0.spec.tolerations = [toleration("maintenance", "NoExecute")] }, own: tainted),
        Case(
            name: "a taint that ends pods, tolerated with another value",
            pod: pod { $0.spec.tolerations = [toleration("maintenance", "NoExecute", equals: "disk")] }, own: tainted,
            words: "TaintToleration: Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate"),
        Case(
            name: "a taint that ends pods, tolerated with its value",
            pod: pod { $0.spec.tolerations = [toleration("maintenance", "", equals: "network")] }, own: tainted),
        Case(
            name: "a taint that ends pods, and a manifest of this host",
            pod: pod { $0.metadata.annotations = ["kubernetes.io/config.source": "file"] }, own: tainted),
        Case(
            name: "no AppArmor", pod: confined(nil, "RuntimeDefault"), hasAppArmor: false,
            words: "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host"),
        Case(name: "no AppArmor, and unconfined", pod: confined("Unconfined", nil), hasAppArmor: false),
        Case(name: "AppArmor", pod: confined("RuntimeDefault", nil), hasAppArmor: true),
        Case(
            name: "another node's", pod: pod { $0.spec.nodeName = "m" },
            words: "NodeName: Predicate NodeName failed: node(s) didn't match the requested node name"),
        Case(
            name: "ports", pod: pod { $0.spec.containers[0].ports = [AdmissionTests.port(80)] },
            others: [pod { $0.spec.containers[0].ports = [AdmissionTests.port(80)] }],
            words: "NodePorts: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"),
    ]

    private static let tainted = KubeAPI.Node {
        $0.metadata.labels = ["disk": "fast", "kubernetes.io/os": "linux"]
        $0.spec.taints = [
            Taint(key: "maintenance", value: "network", effect: "NoExecute"),
            Taint(key: "reserved", effect: "NoSchedule"),
        ]
    }

    private static func confined(_ whole: String?, _ one: String?) -> Pod {
        func profile(_ type: String?) -> SecurityProfile? { type.map { type in SecurityProfile { $0.type = type } } }
        return pod {
            $0.spec.securityContext = PodSecurityContext { $0.appArmorProfile = profile(whole) }
            $0.spec.containers[0].securityContext = SecurityContext { $0.appArmorProfile = profile(one) }
        }
    }

    private static func toleration(_ key: String, _ effect: String, equals value: String? = nil) -> Value {
        Value(
            .object([
                Member("key", Value(.string(key))),
                Member("operator", Value(.string(value == nil ? "Exists" : "Equal"))),
                Member("value", Value(.string(value ?? ""))), Member("effect", Value(.string(effect))),
            ]))
    }

    @Test("each reason and its words are the kubelet's", arguments: cases)
    func words(_ one: Case) {
        let situation = NodeSituation()
        situation.pressure = one.pressure
        situation.isEnding = one.isEnding
        situation.keepsStrictGroups = one.keepsStrictGroups
        situation.own = one.own.map(OwnNode.Facts.init)
        var node = AdmissionTests.node
        node.resources = NodeResources(
            capacity: ["cpu": "4", "memory": "8Gi", "pods": "3", "vzcri.dev/vm": "2", "ephemeral-storage": "1Gi"])
        node.situation = situation
        node.hasAppArmor = one.hasAppArmor
        node.sysctls = Sysctls(allowed: ["kernel.msg*"])
        let refusal = node.refusal(of: one.pod, beside: one.others)
        #expect(refusal.map { "\($0.reason): \($0.message)" } ?? "" == one.words)
    }
}
