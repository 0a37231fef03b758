/// A volume of a pod. Sources this version cannot provide stay in ``unknownFields`` and make ``source`` unsupported.
public struct Volume: KubeModel {
    public var name = ""
    public var hostPath: HostPathVolume?
    public var emptyDir: EmptyDirVolume?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("hostPath", \.hostPath)
        $0("emptyDir", \.emptyDir)
    }

    /// Where the files of a volume are.
    public enum Source: Sendable, Hashable {
        case emptyDir(EmptyDirVolume)
        case hostPath(HostPathVolume)
        /// - Parameters:
        ///   - kind: the member of the volume that names its kind, as `configMap`.
        ///   - reason: a sentence for the user.
        case unsupported(kind: String, reason: String)
    }

    /// Where this volume's files are; an empty directory when nothing is said, as the API server has it.
    public var source: Source {
        if let hostPath { return .hostPath(hostPath) }
        if let emptyDir { return .emptyDir(emptyDir) }
        guard let kind = unknownFields.first?.name else { return .emptyDir(EmptyDirVolume()) }
        let reason =
            switch kind {
            case "configMap", "secret", "projected", "downwardAPI":
                "volume \"\(name)\": a \(kind) volume needs an API server; there is none here, use hostPath"
            default:
                "volume \"\(name)\": volumes of kind \(kind) are not supported; use emptyDir or hostPath"
            }
        return .unsupported(kind: kind, reason: reason)
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
