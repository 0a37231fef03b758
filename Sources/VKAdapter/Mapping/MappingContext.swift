import KubeAPI

/// What the mapping of pods needs to know of the node.
struct MappingContext: Sendable {
    var nodeName = ""
    /// The addresses of the node, the preferred one first.
    var hostIPs: [String] = []
    /// The directory the runtime writes container logs under.
    var logRoot = "/var/log/pods"
    /// The resolv.conf pods inherit.
    var resolvConf = ResolvConf()
    /// The name servers of the cluster; none in standalone mode, and pods then use the host's.
    var clusterDNS: [String] = []
    var clusterDomain = ""
    /// Labels every sandbox and container gets besides the kubelet's.
    var labels: [String: String] = [:]
    /// What the node has, as it is now; `nil` where nobody follows it.
    var node: NodeResources?
    /// What the node offers: the value of a limit nobody set.
    var allocatable: [String: Quantity] {
        get { node?.allocatable ?? fixedAllocatable }
        set { fixedAllocatable = newValue }
    }
    private var fixedAllocatable: [String: Quantity] = [:]
    /// All memory of the node, whoever may take it.
    var memoryCapacity: Int64? { (node?.capacity ?? fixedAllocatable)["memory"]?.value }
    /// Where seccomp profiles of type Localhost are.
    var seccompRoot = "/var/lib/kubelet/seccomp"
    /// `runtimeClassName` → handler; a name that is not in it is its own handler.
    var runtimeHandlers: [String: String] = [:]
    /// Handler of pods that ask for none.
    var defaultRuntimeHandler = ""
    /// ConfigMaps and Secrets by name; `nil` where no API server can have them.
    var objects: KeyedObjects?
}

/// The ConfigMaps and Secrets of the pod's namespace.
struct KeyedObjects: Sendable, Hashable {
    var configMaps: [String: [String: [UInt8]]] = [:]
    var secrets: [String: [String: [UInt8]]] = [:]
    /// Of services and the API server, for this pod.
    var services: [EnvVar] = []
}

/// The user an image runs as (CRI `Image.uid`, `Image.username`).
struct ImageUser: Sendable, Hashable {
    var uid: Int64?
    var username = ""
}

/// Host paths prepared for one container.
struct ContainerPaths: Sendable, Hashable {
    /// One per `volumeMounts`, in the same order.
    var volumeMounts: [String] = []
    /// The file that appears at `terminationMessagePath`.
    var terminationMessage: String?
    /// The file that appears as `/etc/hosts`.
    var hosts: String?
}
