/// A node (`core/v1`).
public struct Node: KubeObject {
    public var kind = "Node"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var spec = NodeSpec()
    public var status = NodeStatus()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
        $0("status", \.status)
    }
}

public struct NodeSpec: KubeModel {
    public var podCIDR = ""
    public var providerID = ""
    /// No new pods are to come here (`kubectl cordon`).
    public var unschedulable = false
    public var taints: [Taint] = []
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("podCIDR", \.podCIDR)
        $0("providerID", \.providerID)
        $0("unschedulable", \.unschedulable)
        $0("taints", \.taints)
    }
}

/// What keeps pods away that do not tolerate it.
public struct Taint: KubeModel {
    public var key = ""
    public var value = ""
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    public var effect = ""
    public var unknownFields: [Member] = []

    public init() {}

    public init(key: String, value: String = "", effect: String) {
        self.key = key
        self.value = value
        self.effect = effect
    }

    public static let fields = Fields<Self> {
        $0("key", \.key, always: true)
        $0("value", \.value)
        $0("effect", \.effect, always: true)
    }
}

/// What a node is and has.
public struct NodeStatus: KubeModel {
    public var capacity: [String: Quantity] = [:]
    public var allocatable: [String: Quantity] = [:]
    public var conditions: [NodeCondition] = []
    public var addresses: [NodeAddress] = []
    public var daemonEndpoints = DaemonEndpoints()
    public var nodeInfo = NodeSystemInfo()
    public var images: [NodeImage] = []
    /// What the runtime can; `nil` where nobody has said.
    public var features: NodeFeatures?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("capacity", \.capacity)
        $0("allocatable", \.allocatable)
        $0("conditions", \.conditions)
        $0("addresses", \.addresses)
        $0("daemonEndpoints", \.daemonEndpoints)
        $0("nodeInfo", \.nodeInfo)
        $0("images", \.images)
        $0("features", \.features)
    }
}

/// What a node's runtime can beside the usual.
public struct NodeFeatures: KubeModel {
    /// Groups of a pod can be just those it names.
    public var supplementalGroupsPolicy: Bool?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> { $0("supplementalGroupsPolicy", \.supplementalGroupsPolicy) }
}

/// One thing that is true of a node, or not.
public struct NodeCondition: KubeModel {
    public struct Kind: OpenString {
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let ready: Self = "Ready"
        public static let memoryPressure: Self = "MemoryPressure"
        public static let diskPressure: Self = "DiskPressure"
        public static let processPressure: Self = "PIDPressure"
    }
    public var type: Kind = ""
    /// `True`, `False` or `Unknown`.
    public var status = ""
    public var lastHeartbeatTime: Timestamp?
    public var lastTransitionTime: Timestamp?
    public var reason = ""
    public var message = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("type", \.type, always: true)
        $0("status", \.status, always: true)
        $0("lastHeartbeatTime", \.lastHeartbeatTime)
        $0("lastTransitionTime", \.lastTransitionTime)
        $0("reason", \.reason)
        $0("message", \.message)
    }
}

/// An image a node has (`ContainerImage`).
public struct NodeImage: KubeModel {
    public var names: [String] = []
    public var sizeBytes: Int64 = 0
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("names", \.names)
        $0("sizeBytes", \.sizeBytes)
    }
}

/// Where a node is reached.
public struct NodeAddress: KubeModel {
    /// `InternalIP`, `Hostname`, …
    public var type = ""
    public var address = ""
    public var unknownFields: [Member] = []

    public init() {}

    public init(_ type: String, _ address: String) {
        self.type = type
        self.address = address
    }

    public static let fields = Fields<Self> {
        $0("type", \.type, always: true)
        $0("address", \.address, always: true)
    }
}

public struct DaemonEndpoints: KubeModel {
    public struct Endpoint: KubeModel {
        /// The field's name is written with a capital letter.
        public var port: Int32 = 0
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> { $0("Port", \.port, always: true) }
    }
    public var kubeletEndpoint = Endpoint()
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("kubeletEndpoint", \.kubeletEndpoint) }
}

/// What runs on a node.
public struct NodeSystemInfo: KubeModel {
    public var machineID = ""
    public var systemUUID = ""
    public var bootID = ""
    public var kernelVersion = ""
    public var osImage = ""
    public var containerRuntimeVersion = ""
    public var kubeletVersion = ""
    public var kubeProxyVersion = ""
    public var operatingSystem = ""
    public var architecture = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("machineID", \.machineID, always: true)
        $0("systemUUID", \.systemUUID, always: true)
        $0("bootID", \.bootID, always: true)
        $0("kernelVersion", \.kernelVersion, always: true)
        $0("osImage", \.osImage, always: true)
        $0("containerRuntimeVersion", \.containerRuntimeVersion, always: true)
        $0("kubeletVersion", \.kubeletVersion, always: true)
        $0("kubeProxyVersion", \.kubeProxyVersion, always: true)
        $0("operatingSystem", \.operatingSystem, always: true)
        $0("architecture", \.architecture, always: true)
    }
}
