/// What one container is.
public struct ContainerStatus: KubeModel {
    public var name = ""
    public var state = ContainerState()
    public var lastState = ContainerState()
    public var ready = false
    public var restartCount: Int32 = 0
    public var image = ""
    public var imageID = ""
    /// `RUNTIME://ID`.
    public var containerID = ""
    public var started: Bool?
    /// What the node has set aside for it.
    public var allocatedResources: [String: Quantity] = [:]
    /// What it runs with.
    public var resources: ResourceRequirements?
    public var volumeMounts: [VolumeMountStatus] = []
    public var user: ContainerUser?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("state", \.state)
        $0("lastState", \.lastState)
        $0("ready", \.ready, always: true)
        $0("restartCount", \.restartCount, always: true)
        $0("image", \.image, always: true)
        $0("imageID", \.imageID, always: true)
        $0("containerID", \.containerID)
        $0("started", \.started)
        $0("allocatedResources", \.allocatedResources)
        $0("resources", \.resources)
        $0("volumeMounts", \.volumeMounts)
        $0("user", \.user)
    }
}

/// A volume as it appears in a container.
public struct VolumeMountStatus: KubeModel {
    public var name = ""
    public var mountPath = ""
    public var readOnly = false
    /// `Disabled`, `IfPossible` or `Enabled`; for read-only mounts.
    public var recursiveReadOnly: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("mountPath", \.mountPath, always: true)
        $0("readOnly", \.readOnly)
        $0("recursiveReadOnly", \.recursiveReadOnly)
    }
}

/// Who the first process of a container was at its start.
public struct ContainerUser: KubeModel {
    public struct Linux: KubeModel {
        public var uid: Int64 = 0
        public var gid: Int64 = 0
        public var supplementalGroups: [Int64] = []
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("uid", \.uid, always: true)
            $0("gid", \.gid, always: true)
            $0("supplementalGroups", \.supplementalGroups)
        }
    }
    public var linux: Linux?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("linux", \.linux) }
}

/// Waiting, running or terminated: one of the three is set; none of them means waiting.
public struct ContainerState: KubeModel {
    public var waiting: Waiting?
    public var running: Running?
    public var terminated: Terminated?
    public var unknownFields: [Member] = []
    public init() {}

    public static func waiting(reason: String, message: String = "") -> ContainerState {
        ContainerState {
            $0.waiting = Waiting {
                $0.reason = reason
                $0.message = message
            }
        }
    }

    public static let fields = Fields<Self> {
        $0("waiting", \.waiting)
        $0("running", \.running)
        $0("terminated", \.terminated)
    }

    public struct Waiting: KubeModel {
        public var reason = ""
        public var message = ""
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("reason", \.reason)
            $0("message", \.message)
        }
    }

    public struct Running: KubeModel {
        public var startedAt: Timestamp?
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> { $0("startedAt", \.startedAt, always: true) }
    }

    public struct Terminated: KubeModel {
        public var exitCode: Int32 = 0
        public var signal: Int32 = 0
        public var reason = ""
        public var message = ""
        public var startedAt: Timestamp?
        public var finishedAt: Timestamp?
        public var containerID = ""
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("exitCode", \.exitCode, always: true)
            $0("signal", \.signal)
            $0("reason", \.reason)
            $0("message", \.message)
            $0("startedAt", \.startedAt, always: true)
            $0("finishedAt", \.finishedAt, always: true)
            $0("containerID", \.containerID)
        }
    }
}
