/// When an image is pulled.
public struct PullPolicy: OpenString {
    public var rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    public static let always: Self = "Always"
    public static let ifNotPresent: Self = "IfNotPresent"
    public static let never: Self = "Never"
}

/// One container of a pod: regular, init or ephemeral.
public struct Container: KubeModel {
    public var name = ""
    public var image = ""
    public var command: [String] = []
    public var args: [String] = []
    public var workingDir = ""
    public var ports: [ContainerPort] = []
    public var envFrom: [EnvFromSource] = []
    public var env: [EnvVar] = []
    public var resources = ResourceRequirements()
    public var resizePolicy: [ContainerResizePolicy] = []
    /// On an init container `Always` makes it a side-car; on others it goes before the pod's.
    public var restartPolicy: RestartPolicy?
    /// Asked before the container's own policy.
    public var restartPolicyRules: [ContainerRestartRule] = []
    public var volumeMounts: [VolumeMount] = []
    /// Kept as read.
    public var volumeDevices: [Value] = []
    public var livenessProbe: Probe?
    public var readinessProbe: Probe?
    public var startupProbe: Probe?
    public var lifecycle: Lifecycle?
    public var terminationMessagePath = ""
    /// `File` or `FallbackToLogsOnError`.
    public var terminationMessagePolicy = ""
    public var imagePullPolicy: PullPolicy = ""
    public var securityContext: SecurityContext?
    public var stdin = false
    public var stdinOnce = false
    public var tty = false
    /// Of an ephemeral container: whose processes it sees.
    public var targetContainerName = ""
    public var unknownFields: [Member] = []

    public init() {}

    /// Whether this init container keeps running beside the pod's containers.
    public var isSidecar: Bool { restartPolicy == .always }

    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("image", \.image)
        $0("command", \.command)
        $0("args", \.args)
        $0("workingDir", \.workingDir)
        $0("ports", \.ports)
        $0("envFrom", \.envFrom)
        $0("env", \.env)
        $0("resources", \.resources)
        $0("resizePolicy", \.resizePolicy)
        $0("restartPolicy", \.restartPolicy)
        $0("restartPolicyRules", \.restartPolicyRules)
        $0("volumeMounts", \.volumeMounts)
        $0("volumeDevices", \.volumeDevices)
        $0("livenessProbe", \.livenessProbe)
        $0("readinessProbe", \.readinessProbe)
        $0("startupProbe", \.startupProbe)
        $0("lifecycle", \.lifecycle)
        $0("terminationMessagePath", \.terminationMessagePath)
        $0("terminationMessagePolicy", \.terminationMessagePolicy)
        $0("imagePullPolicy", \.imagePullPolicy)
        $0("securityContext", \.securityContext)
        $0("stdin", \.stdin)
        $0("stdinOnce", \.stdinOnce)
        $0("tty", \.tty)
        $0("targetContainerName", \.targetContainerName)
    }
}

/// A port a container listens on.
public struct ContainerPort: KubeModel {
    public var name = ""
    public var hostPort: Int32 = 0
    public var containerPort: Int32 = 0
    /// `TCP`, `UDP` or `SCTP`; empty means TCP.
    public var `protocol` = ""
    public var hostIP = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("hostPort", \.hostPort)
        $0("containerPort", \.containerPort, always: true)
        $0("protocol", \.`protocol`)
        $0("hostIP", \.hostIP)
    }
}

/// What a container may use and is promised.
public struct ResourceRequirements: KubeModel {
    public var limits: [String: Quantity] = [:]
    public var requests: [String: Quantity] = [:]
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("limits", \.limits)
        $0("requests", \.requests)
    }
}

/// Where a volume appears in a container.
public struct VolumeMount: KubeModel {
    public var name = ""
    public var readOnly = false
    public var recursiveReadOnly: String?
    public var mountPath = ""
    public var subPath = ""
    /// `None`, `HostToContainer` or `Bidirectional`.
    public var mountPropagation: String?
    public var subPathExpr = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("readOnly", \.readOnly)
        $0("recursiveReadOnly", \.recursiveReadOnly)
        $0("mountPath", \.mountPath, always: true)
        $0("subPath", \.subPath)
        $0("mountPropagation", \.mountPropagation)
        $0("subPathExpr", \.subPathExpr)
    }
}
