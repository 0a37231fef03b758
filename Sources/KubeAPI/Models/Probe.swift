/// How a container is asked whether it is well.
public struct Probe: KubeModel {
    public var exec: ExecAction?
    public var httpGet: HTTPGetAction?
    public var tcpSocket: TCPSocketAction?
    public var grpc: GRPCAction?
    /// Seconds after the start of the container.
    public var initialDelaySeconds: Int32 = 0
    public var timeoutSeconds: Int32 = 0
    public var periodSeconds: Int32 = 0
    /// Successes in a row after a failure that count as one.
    public var successThreshold: Int32 = 0
    /// Failures in a row that count as one.
    public var failureThreshold: Int32 = 0
    /// Seconds a container that failed it gets to end; the pod's own where `nil`.
    public var terminationGracePeriodSeconds: Int64?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("exec", \.exec)
        $0("httpGet", \.httpGet)
        $0("tcpSocket", \.tcpSocket)
        $0("grpc", \.grpc)
        $0("initialDelaySeconds", \.initialDelaySeconds)
        $0("timeoutSeconds", \.timeoutSeconds)
        $0("periodSeconds", \.periodSeconds)
        $0("successThreshold", \.successThreshold)
        $0("failureThreshold", \.failureThreshold)
        $0("terminationGracePeriodSeconds", \.terminationGracePeriodSeconds)
    }

    /// Fills in what an API server fills in.
    public mutating func applyDefaults() {
        if timeoutSeconds == 0 { timeoutSeconds = 1 }
        if periodSeconds == 0 { periodSeconds = 10 }
        if successThreshold == 0 { successThreshold = 1 }
        if failureThreshold == 0 { failureThreshold = 3 }
        httpGet?.applyDefaults()
        if grpc != nil, grpc?.service == nil { grpc?.service = "" }
    }
}

/// A command in the container, no shell around it.
public struct ExecAction: KubeModel {
    public var command: [String] = []
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("command", \.command) }
}

/// One line of a request's head.
public struct HTTPHeader: KubeModel {
    public var name = ""
    public var value = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("value", \.value, always: true)
    }
}

/// A request to a port.
public struct HTTPGetAction: KubeModel {
    public var path = ""
    public var port: IntOrString = .int(0)
    /// The pod's own address where empty.
    public var host = ""
    /// `HTTP` or `HTTPS`, which does not check the certificate.
    public var scheme = ""
    public var httpHeaders: [HTTPHeader] = []
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("path", \.path)
        $0("port", \.port, always: true)
        $0("host", \.host)
        $0("scheme", \.scheme)
        $0("httpHeaders", \.httpHeaders)
    }

    fileprivate mutating func applyDefaults() {
        if path.isEmpty { path = "/" }
        if scheme.isEmpty { scheme = "HTTP" }
    }
}

/// A connection to a port.
public struct TCPSocketAction: KubeModel {
    public var port: IntOrString = .int(0)
    /// The pod's own address where empty.
    public var host = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("port", \.port, always: true)
        $0("host", \.host)
    }
}

/// A call of the gRPC health protocol.
public struct GRPCAction: KubeModel {
    public var port: Int32 = 0
    public var service: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("port", \.port, always: true)
        $0("service", \.service)
    }
}

/// Nothing for a while.
public struct SleepAction: KubeModel {
    public var seconds: Int64 = 0
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("seconds", \.seconds, always: true) }
}

/// What is done when a container has started, or is about to be stopped.
public struct LifecycleHandler: KubeModel {
    public var exec: ExecAction?
    public var httpGet: HTTPGetAction?
    public var tcpSocket: TCPSocketAction?
    public var sleep: SleepAction?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("exec", \.exec)
        $0("httpGet", \.httpGet)
        $0("tcpSocket", \.tcpSocket)
        $0("sleep", \.sleep)
    }

    fileprivate mutating func applyDefaults() { httpGet?.applyDefaults() }
}

/// What goes with the start and the end of a container.
public struct Lifecycle: KubeModel {
    public var postStart: LifecycleHandler?
    public var preStop: LifecycleHandler?
    /// As `SIGUSR1`; the image's or the runtime's own where `nil`.
    public var stopSignal: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("postStart", \.postStart)
        $0("preStop", \.preStop)
        $0("stopSignal", \.stopSignal)
    }

    /// Fills in what an API server fills in.
    public mutating func applyDefaults() {
        postStart?.applyDefaults()
        preStop?.applyDefaults()
    }
}

/// Whether a container that ended with some code is started again, before its policy is asked.
public struct ContainerRestartRule: KubeModel {
    public struct ExitCodes: KubeModel {
        /// `In` or `NotIn`.
        public var `operator` = ""
        public var values: [Int32] = []
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("operator", \.`operator`, always: true)
            $0("values", \.values)
        }
    }
    /// `Restart`.
    public var action = ""
    public var exitCodes: ExitCodes?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("action", \.action)
        $0("exitCodes", \.exitCodes)
    }

    /// Whether the rule is about that exit code.
    public func matches(_ code: Int32) -> Bool {
        guard let exitCodes else { return false }
        switch exitCodes.operator {
        case "In": return exitCodes.values.contains(code)
        case "NotIn": return !exitCodes.values.contains(code)
        default: return false
        }
    }
}

/// Whether a container has to be started again when a resource of it changes.
public struct ContainerResizePolicy: KubeModel {
    public var resourceName = ""
    /// `NotRequired` or `RestartContainer`.
    public var restartPolicy = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("resourceName", \.resourceName, always: true)
        $0("restartPolicy", \.restartPolicy, always: true)
    }
}
