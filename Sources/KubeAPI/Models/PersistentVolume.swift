/// What somebody asked for, and what it was given (`core/v1`).
public struct PersistentVolumeClaim: KubeObject {
    public var kind = "PersistentVolumeClaim"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var spec = ClaimSpec()
    public var status = ClaimStatus()
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

public struct ClaimSpec: KubeModel {
    public var accessModes: [String] = []
    /// The volume it is bound to.
    public var volumeName = ""
    /// `Filesystem` or `Block`.
    public var volumeMode: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("accessModes", \.accessModes)
        $0("volumeName", \.volumeName)
        $0("volumeMode", \.volumeMode)
    }
}

public struct ClaimStatus: KubeModel {
    /// `Pending`, `Bound` or `Lost`.
    public var phase = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> { $0("phase", \.phase) }
}

/// Storage of the cluster (`core/v1`). Kinds a node cannot provide by itself stay in the specification's unknown fields.
public struct PersistentVolume: KubeObject {
    public var kind = "PersistentVolume"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var spec = PersistentVolumeSpec()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
    }
}

public struct PersistentVolumeSpec: KubeModel {
    /// Whose it is.
    public struct Claim: KubeModel {
        public var namespace = ""
        public var name = ""
        public var uid = ""
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("namespace", \.namespace)
            $0("name", \.name)
            $0("uid", \.uid)
        }
    }

    /// A directory of one node.
    public struct Local: KubeModel {
        public var path = ""
        public var fsType: String?
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("path", \.path, always: true)
            $0("fsType", \.fsType)
        }
    }

    public var hostPath: HostPathVolume?
    public var local: Local?
    public var claimRef: Claim?
    public var volumeMode: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("hostPath", \.hostPath)
        $0("local", \.local)
        $0("claimRef", \.claimRef)
        $0("volumeMode", \.volumeMode)
    }
}
