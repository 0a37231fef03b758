/// One key of an object, or of none, and the file it becomes.
public struct KeyToPath: KubeModel {
    public var key = ""
    /// Relative; no `..`.
    public var path = ""
    public var mode: Int32?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("key", \.key, always: true)
        $0("path", \.path, always: true)
        $0("mode", \.mode)
    }
}

/// The keys of a ConfigMap as files; also one of the sources of a projected volume.
public struct ConfigMapVolume: KubeModel {
    public var name = ""
    /// All keys where it is empty.
    public var items: [KeyToPath] = []
    public var defaultMode: Int32?
    public var optional: Bool?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("items", \.items)
        $0("defaultMode", \.defaultMode)
        $0("optional", \.optional)
    }
}

/// The keys of a Secret as files.
public struct SecretVolume: KubeModel {
    public var secretName = ""
    /// All keys where it is empty.
    public var items: [KeyToPath] = []
    public var defaultMode: Int32?
    public var optional: Bool?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("secretName", \.secretName)
        $0("items", \.items)
        $0("defaultMode", \.defaultMode)
        $0("optional", \.optional)
    }
}

/// The keys of a Secret among the sources of a projected volume.
public struct SecretProjection: KubeModel {
    public var name = ""
    public var items: [KeyToPath] = []
    public var optional: Bool?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("items", \.items)
        $0("optional", \.optional)
    }
}

/// What the pod is, as files.
public struct DownwardAPIVolume: KubeModel {
    public var items: [DownwardAPIFile] = []
    public var defaultMode: Int32?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("items", \.items)
        $0("defaultMode", \.defaultMode)
    }
}

/// One field or resource of the pod as a file.
public struct DownwardAPIFile: KubeModel {
    public var path = ""
    public var fieldRef: ObjectFieldSelector?
    public var resourceFieldRef: ResourceFieldSelector?
    public var mode: Int32?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("path", \.path, always: true)
        $0("fieldRef", \.fieldRef)
        $0("resourceFieldRef", \.resourceFieldRef)
        $0("mode", \.mode)
    }
}

/// Several sources in one directory.
public struct ProjectedVolume: KubeModel {
    public var sources: [VolumeProjection] = []
    public var defaultMode: Int32?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("sources", \.sources)
        $0("defaultMode", \.defaultMode)
    }
}

/// One source of a projected volume: one of the members is set.
public struct VolumeProjection: KubeModel {
    public var configMap: ConfigMapVolume?
    public var secret: SecretProjection?
    public var downwardAPI: DownwardAPIVolume?
    public var serviceAccountToken: TokenProjection?
    public var clusterTrustBundle: TrustBundleProjection?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("configMap", \.configMap)
        $0("secret", \.secret)
        $0("downwardAPI", \.downwardAPI)
        $0("serviceAccountToken", \.serviceAccountToken)
        $0("clusterTrustBundle", \.clusterTrustBundle)
    }
}

/// A token of the pod's service account, bound to the pod and renewed while it lives.
public struct TokenProjection: KubeModel {
    /// Who is meant to take the token; the API server itself where it is empty.
    public var audience = ""
    /// Seconds; an hour where it is not said.
    public var expirationSeconds: Int64?
    public var path = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("audience", \.audience)
        $0("expirationSeconds", \.expirationSeconds)
        $0("path", \.path, always: true)
    }
}

/// Certificates the cluster trusts, as one PEM file: those of one bundle, or of all bundles of a signer.
public struct TrustBundleProjection: KubeModel {
    public var name: String?
    public var signerName: String?
    public var labelSelector: LabelSelector?
    public var optional: Bool?
    public var path = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("signerName", \.signerName)
        $0("labelSelector", \.labelSelector)
        $0("optional", \.optional)
        $0("path", \.path, always: true)
    }
}

/// A claim of the pod's namespace.
public struct ClaimVolume: KubeModel {
    public var claimName = ""
    public var readOnly = false
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("claimName", \.claimName, always: true)
        $0("readOnly", \.readOnly)
    }
}
