/// When a pod's containers are started again.
public struct RestartPolicy: OpenString {
    public var rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let always: Self = "Always"
    public static let onFailure: Self = "OnFailure"
    public static let never: Self = "Never"
}

/// Where a pod's resolv.conf comes from.
public struct DNSPolicy: OpenString {
    public var rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let clusterFirst: Self = "ClusterFirst"
    public static let clusterFirstWithHostNet: Self = "ClusterFirstWithHostNet"
    public static let `default`: Self = "Default"
    public static let none: Self = "None"
}

/// What a pod is asked to be.
public struct PodSpec: KubeModel {
    public var volumes: [Volume] = []
    public var initContainers: [Container] = []
    public var containers: [Container] = []
    /// Added to a pod that runs, to look at it; never started twice.
    public var ephemeralContainers: [Container] = []
    public var restartPolicy: RestartPolicy = ""
    /// Seconds between the stop signal and the kill.
    public var terminationGracePeriodSeconds: Int64?
    /// Seconds the pod may be active.
    public var activeDeadlineSeconds: Int64?
    public var dnsPolicy: DNSPolicy = ""
    public var nodeSelector: [String: String] = [:]
    public var serviceAccountName = ""
    public var automountServiceAccountToken: Bool?
    public var nodeName = ""
    public var hostNetwork = false
    public var hostPID = false
    public var hostIPC = false
    public var shareProcessNamespace: Bool?
    public var securityContext: PodSecurityContext?
    public var imagePullSecrets: [LocalObjectReference] = []
    public var hostname = ""
    public var subdomain = ""
    public var schedulerName = ""
    public var tolerations: [Value] = []
    public var hostAliases: [HostAlias] = []
    public var priorityClassName = ""
    public var priority: Int32?
    public var dnsConfig: PodDNSConfig?
    public var readinessGates: [ReadinessGate] = []
    public var runtimeClassName: String?
    public var enableServiceLinks: Bool?
    /// What all containers may use together; where it says nothing, what they ask for themselves counts.
    public var resources: ResourceRequirements?
    public var overhead: [String: Quantity] = [:]
    public var setHostnameAsFQDN: Bool?
    public var os: PodOS?
    /// Kept as read.
    public var affinity: Value?
    public var hostUsers: Bool?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("volumes", \.volumes)
        $0("initContainers", \.initContainers)
        $0("containers", \.containers, always: true)
        $0("ephemeralContainers", \.ephemeralContainers)
        $0("restartPolicy", \.restartPolicy)
        $0("terminationGracePeriodSeconds", \.terminationGracePeriodSeconds)
        $0("activeDeadlineSeconds", \.activeDeadlineSeconds)
        $0("dnsPolicy", \.dnsPolicy)
        $0("nodeSelector", \.nodeSelector)
        $0("serviceAccountName", \.serviceAccountName)
        $0("automountServiceAccountToken", \.automountServiceAccountToken)
        $0("nodeName", \.nodeName)
        $0("hostNetwork", \.hostNetwork)
        $0("hostPID", \.hostPID)
        $0("hostIPC", \.hostIPC)
        $0("shareProcessNamespace", \.shareProcessNamespace)
        $0("securityContext", \.securityContext)
        $0("imagePullSecrets", \.imagePullSecrets)
        $0("hostname", \.hostname)
        $0("subdomain", \.subdomain)
        $0("schedulerName", \.schedulerName)
        $0("tolerations", \.tolerations)
        $0("hostAliases", \.hostAliases)
        $0("priorityClassName", \.priorityClassName)
        $0("priority", \.priority)
        $0("dnsConfig", \.dnsConfig)
        $0("readinessGates", \.readinessGates)
        $0("runtimeClassName", \.runtimeClassName)
        $0("enableServiceLinks", \.enableServiceLinks)
        $0("resources", \.resources)
        $0("overhead", \.overhead)
        $0("setHostnameAsFQDN", \.setHostnameAsFQDN)
        $0("os", \.os)
        $0("affinity", \.affinity)
        $0("hostUsers", \.hostUsers)
    }
}

extension PodSpec {
    /// Init, regular and ephemeral ones, in this order.
    public var allContainers: [Container] { initContainers + containers + ephemeralContainers }
}

/// The system a pod is for.
public struct PodOS: KubeModel {
    /// `linux`, `windows` or `darwin`.
    public var name = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("name", \.name, always: true) }
}

/// A name of another object in the same namespace.
public struct LocalObjectReference: KubeModel {
    public var name = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("name", \.name) }
}

/// Lines for the pod's hosts file.
public struct HostAlias: KubeModel {
    public var ip = ""
    public var hostnames: [String] = []
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("ip", \.ip, always: true)
        $0("hostnames", \.hostnames)
    }
}

/// A condition somebody else sets and the pod's readiness waits for.
public struct ReadinessGate: KubeModel {
    public var conditionType = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("conditionType", \.conditionType, always: true) }
}

/// What is added to the resolv.conf the policy gives.
public struct PodDNSConfig: KubeModel {
    public struct Option: KubeModel {
        public var name = ""
        public var value: String?
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("name", \.name)
            $0("value", \.value)
        }
    }
    public var nameservers: [String] = []
    public var searches: [String] = []
    public var options: [Option] = []
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("nameservers", \.nameservers)
        $0("searches", \.searches)
        $0("options", \.options)
    }
}
