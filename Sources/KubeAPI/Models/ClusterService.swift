/// A name for pods, and an address that leads to them (`core/v1` Service).
public struct ClusterService: KubeObject {
    public var kind = "Service"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var spec = ServiceSpec()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
    }
}

public struct ServiceSpec: KubeModel {
    public var ports: [ServicePort] = []
    /// Empty while there is none; `None` for a service that has no address of its own.
    public var clusterIP = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("ports", \.ports)
        $0("clusterIP", \.clusterIP)
    }
}

public struct ServicePort: KubeModel {
    public var name = ""
    /// `TCP`, `UDP` or `SCTP`; empty means TCP.
    public var `protocol` = ""
    public var port: Int32 = 0
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("protocol", \.`protocol`)
        $0("port", \.port, always: true)
    }
}
