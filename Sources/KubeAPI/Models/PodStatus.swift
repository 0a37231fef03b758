/// Where a pod is in its life.
public struct PodPhase: OpenString {
    public var rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let pending: Self = "Pending"
    public static let running: Self = "Running"
    public static let succeeded: Self = "Succeeded"
    public static let failed: Self = "Failed"
    public static let unknown: Self = "Unknown"
}

/// What a pod is.
public struct PodStatus: KubeModel {
    public var observedGeneration: Int64 = 0
    public var phase: PodPhase = ""
    public var conditions: [PodCondition] = []
    public var message = ""
    public var reason = ""
    public var hostIP = ""
    public var hostIPs: [PodIP] = []
    public var podIP = ""
    public var podIPs: [PodIP] = []
    public var startTime: Timestamp?
    public var initContainerStatuses: [ContainerStatus] = []
    public var containerStatuses: [ContainerStatus] = []
    public var ephemeralContainerStatuses: [ContainerStatus] = []
    /// `Guaranteed`, `Burstable` or `BestEffort`.
    public var qosClass = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("observedGeneration", \.observedGeneration)
        $0("phase", \.phase)
        $0("conditions", \.conditions)
        $0("message", \.message)
        $0("reason", \.reason)
        $0("hostIP", \.hostIP)
        $0("hostIPs", \.hostIPs)
        $0("podIP", \.podIP)
        $0("podIPs", \.podIPs)
        $0("startTime", \.startTime)
        $0("initContainerStatuses", \.initContainerStatuses)
        $0("containerStatuses", \.containerStatuses)
        $0("qosClass", \.qosClass)
        $0("ephemeralContainerStatuses", \.ephemeralContainerStatuses)
    }

    /// Of init, regular and ephemeral containers, in this order.
    public var allContainerStatuses: [ContainerStatus] {
        initContainerStatuses + containerStatuses + ephemeralContainerStatuses
    }

    /// The condition of that type.
    public func condition(_ type: PodCondition.Kind) -> PodCondition? { conditions.first { $0.type == type } }
}

/// One address of a pod or host.
public struct PodIP: KubeModel {
    public var ip = ""
    public var unknownFields: [Member] = []
    public init() {}
    public init(_ ip: String) { self.ip = ip }
    public static let fields = Fields<Self> { $0("ip", \.ip, always: true) }
}

/// One thing that is true of a pod, or not yet.
public struct PodCondition: KubeModel {
    public struct Kind: OpenString {
        public var rawValue: String
        public init(rawValue: String) { self.rawValue = rawValue }
        public static let readyToStartContainers: Self = "PodReadyToStartContainers"
        public static let initialized: Self = "Initialized"
        public static let ready: Self = "Ready"
        public static let containersReady: Self = "ContainersReady"
        public static let scheduled: Self = "PodScheduled"
        /// Somebody other than its owner ended the pod.
        public static let disruptionTarget: Self = "DisruptionTarget"
        /// Other resources are asked for than the pod has been given.
        public static let resizePending: Self = "PodResizePending"
        /// They are being given.
        public static let resizeInProgress: Self = "PodResizeInProgress"
    }
    public var type: Kind = ""
    public var observedGeneration: Int64 = 0
    /// `True`, `False` or `Unknown`.
    public var status = ""
    public var lastProbeTime: Timestamp?
    public var lastTransitionTime: Timestamp?
    public var reason = ""
    public var message = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("type", \.type, always: true)
        $0("observedGeneration", \.observedGeneration)
        $0("status", \.status, always: true)
        $0("lastProbeTime", \.lastProbeTime, always: true)
        $0("lastTransitionTime", \.lastTransitionTime, always: true)
        $0("reason", \.reason)
        $0("message", \.message)
    }
}
