/// Users, groups and kernel settings of a whole pod.
public struct PodSecurityContext: KubeModel {
    public var seLinuxOptions: SELinuxOptions?
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    public var runAsNonRoot: Bool?
    public var supplementalGroups: [Int64] = []
    /// `Merge` or `Strict`.
    public var supplementalGroupsPolicy: String?
    public var fsGroup: Int64?
    public var sysctls: [Sysctl] = []
    public var fsGroupChangePolicy: String?
    public var seccompProfile: SecurityProfile?
    public var appArmorProfile: SecurityProfile?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("seLinuxOptions", \.seLinuxOptions)
        $0("runAsUser", \.runAsUser)
        $0("runAsGroup", \.runAsGroup)
        $0("runAsNonRoot", \.runAsNonRoot)
        $0("supplementalGroups", \.supplementalGroups)
        $0("supplementalGroupsPolicy", \.supplementalGroupsPolicy)
        $0("fsGroup", \.fsGroup)
        $0("sysctls", \.sysctls)
        $0("fsGroupChangePolicy", \.fsGroupChangePolicy)
        $0("seccompProfile", \.seccompProfile)
        $0("appArmorProfile", \.appArmorProfile)
    }
}

/// Users, rights and profiles of one container; what it sets wins over the pod.
public struct SecurityContext: KubeModel {
    public var capabilities: Capabilities?
    public var privileged: Bool?
    public var seLinuxOptions: SELinuxOptions?
    public var runAsUser: Int64?
    public var runAsGroup: Int64?
    public var runAsNonRoot: Bool?
    public var readOnlyRootFilesystem: Bool?
    public var allowPrivilegeEscalation: Bool?
    /// `Default` or `Unmasked`.
    public var procMount: String?
    public var seccompProfile: SecurityProfile?
    public var appArmorProfile: SecurityProfile?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("capabilities", \.capabilities)
        $0("privileged", \.privileged)
        $0("seLinuxOptions", \.seLinuxOptions)
        $0("runAsUser", \.runAsUser)
        $0("runAsGroup", \.runAsGroup)
        $0("runAsNonRoot", \.runAsNonRoot)
        $0("readOnlyRootFilesystem", \.readOnlyRootFilesystem)
        $0("allowPrivilegeEscalation", \.allowPrivilegeEscalation)
        $0("procMount", \.procMount)
        $0("seccompProfile", \.seccompProfile)
        $0("appArmorProfile", \.appArmorProfile)
    }
}

/// Linux capabilities, without `CAP_`.
public struct Capabilities: KubeModel {
    public var add: [String] = []
    public var drop: [String] = []
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("add", \.add)
        $0("drop", \.drop)
    }
}

/// The label of a container's processes.
public struct SELinuxOptions: KubeModel {
    public var user = ""
    public var role = ""
    public var type = ""
    public var level = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("user", \.user)
        $0("role", \.role)
        $0("type", \.type)
        $0("level", \.level)
    }
}

/// A seccomp or AppArmor profile.
public struct SecurityProfile: KubeModel {
    /// `RuntimeDefault`, `Unconfined` or `Localhost`.
    public var type = ""
    public var localhostProfile: String?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("type", \.type, always: true)
        $0("localhostProfile", \.localhostProfile)
    }
}

/// A kernel parameter of the pod.
public struct Sysctl: KubeModel {
    public var name = ""
    public var value = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("value", \.value, always: true)
    }
}
