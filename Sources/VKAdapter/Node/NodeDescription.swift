import KubeAPI

/// What this node says of itself. A value: what is new is found by comparing two of them.
struct NodeDescription: Sendable, Hashable {
    var name: String
    var providerID = ""
    var labels: [String: String] = [:]
    /// Put on the node when it is made; afterwards they are the cluster's.
    var taints: [Taint] = []
    var addresses: [NodeAddress] = []
    var kubeletPort: Int32 = 10250
    var capacity: [String: Quantity] = [:]
    var allocatable: [String: Quantity] = [:]
    var info = NodeSystemInfo()
    var images: [NodeImage] = []
    var health = NodeHealth()
    var pressure = NodePressure()
    var host = HostState()
    /// Whether the runtime gives a pod just the groups it names; `nil` before it was asked.
    var keepsStrictGroups: Bool?
    /// Why the node takes no more pods, because it is about to end.
    var ending: String?

    /// The resource of virtual machines that run at once.
    static let slots = "vzcri.dev/vm"

    /// The taint that keeps pods away which do not ask for a node like this.
    static let taintKey = "virtual-kubelet.io/provider"

    /// Labels every kubelet gives its node, and those of the reference.
    static func standardLabels(name: String, os: String, architecture: String) -> [String: String] {
        [
            "kubernetes.io/hostname": name, "kubernetes.io/os": os, "kubernetes.io/arch": architecture,
            "kubernetes.io/role": "agent", "type": "virtual-kubelet",
            "node.kubernetes.io/exclude-from-external-load-balancers": "true",
        ]
    }

    /// The object to be made where there is none.
    func newNode(now: Timestamp) -> Node {
        var node = Node()
        node.metadata.name = name
        node.metadata.labels = labels
        node.spec.providerID = providerID
        node.spec.taints = taints
        node.status = status(before: nil, now: now)
        return node
    }

    /// - Parameter before: what the API server has: conditions that did not change keep their time, and those of others
    ///   stay.
    func status(before: NodeStatus?, now: Timestamp) -> NodeStatus {
        var status = before ?? NodeStatus()
        status.capacity = capacity
        status.allocatable = allocatable
        status.addresses = addresses
        status.daemonEndpoints.kubeletEndpoint.port = kubeletPort
        status.nodeInfo = info
        status.images = images
        if let keepsStrictGroups {
            var features = status.features ?? NodeFeatures()
            features.supplementalGroupsPolicy = keepsStrictGroups
            status.features = features
        }
        let known = before?.conditions ?? []
        let own = wholeHealth.conditions(before: known, now: now) + host.conditions(before: known, now: now)
        status.conditions = own + (before?.conditions ?? []).filter { other in !own.contains { $0.type == other.type } }
        return status
    }
}

/// How a node is.
struct NodeHealth: Sendable, Hashable {
    /// What keeps it from running pods; empty when nothing does.
    var problems: [String] = ["the runtime has not answered yet"]
    var isShortOfDisk = false
    var isShortOfMemory = false
    var isShortOfProcesses = false

    /// The kubelet's conditions, in its words (`nodestatus`).
    func conditions(before: [NodeCondition], now: Timestamp) -> [NodeCondition] {
        func condition(_ type: NodeCondition.Kind, _ isTrue: Bool, _ reason: String, _ message: String) -> NodeCondition
        {
            NodeCondition {
                $0.type = type
                $0.status = isTrue ? "True" : "False"
                $0.reason = reason
                $0.message = message
                $0.lastHeartbeatTime = now
                let old = before.first { $0.type == type }
                $0.lastTransitionTime = old?.status == $0.status ? old?.lastTransitionTime ?? now : now
            }
        }
        return [
            condition(
                .memoryPressure, isShortOfMemory,
                isShortOfMemory ? "KubeletHasInsufficientMemory" : "KubeletHasSufficientMemory",
                isShortOfMemory
                    ? "kubelet has insufficient memory available" : "kubelet has sufficient memory available"),
            condition(
                .diskPressure, isShortOfDisk, isShortOfDisk ? "KubeletHasDiskPressure" : "KubeletHasNoDiskPressure",
                isShortOfDisk ? "kubelet has disk pressure" : "kubelet has no disk pressure"),
            condition(
                .processPressure, isShortOfProcesses,
                isShortOfProcesses ? "KubeletHasInsufficientPID" : "KubeletHasSufficientPID",
                isShortOfProcesses ? "kubelet has insufficient PID available" : "kubelet has sufficient PID available"),
            condition(
                .ready, problems.isEmpty, problems.isEmpty ? "KubeletReady" : "KubeletNotReady",
                problems.isEmpty ? "kubelet is posting ready status" : problems.joined(separator: "; ")),
        ]
    }
}
