/// A volume of a pod: one of the members says where its files are. Kinds this version does not know stay in
/// ``unknownFields``.
public struct Volume: KubeModel {
    public var name = ""
    public var hostPath: HostPathVolume?
    public var emptyDir: EmptyDirVolume?
    public var configMap: ConfigMapVolume?
    public var secret: SecretVolume?
    public var downwardAPI: DownwardAPIVolume?
    public var projected: ProjectedVolume?
    public var persistentVolumeClaim: ClaimVolume?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("hostPath", \.hostPath)
        $0("emptyDir", \.emptyDir)
        $0("configMap", \.configMap)
        $0("secret", \.secret)
        $0("downwardAPI", \.downwardAPI)
        $0("projected", \.projected)
        $0("persistentVolumeClaim", \.persistentVolumeClaim)
    }

    /// Whether nothing says where its files are: an API server makes an empty directory of it.
    public var isUnspecified: Bool {
        hostPath == nil && emptyDir == nil && configMap == nil && secret == nil && downwardAPI == nil
            && projected == nil && persistentVolumeClaim == nil && unknownFields.isEmpty
    }
}

/// A directory that lives as long as the pod.
public struct EmptyDirVolume: KubeModel {
    /// Empty, or `Memory`.
    public var medium = ""
    public var sizeLimit: Quantity?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("medium", \.medium)
        $0("sizeLimit", \.sizeLimit)
    }
}

/// A file or directory of the host.
public struct HostPathVolume: KubeModel {
    public var path = ""
    /// `DirectoryOrCreate`, `Directory`, `FileOrCreate`, `File`, `Socket`, `CharDevice` or `BlockDevice`; empty checks
    /// nothing.
    public var type: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("path", \.path, always: true)
        $0("type", \.type)
    }
}
