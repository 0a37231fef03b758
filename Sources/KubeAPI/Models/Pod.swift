/// A pod (`core/v1`).
public struct Pod: KubeModel {
    public var kind = "Pod"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var spec = PodSpec()
    public var status = PodStatus()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
        $0("status", \.status)
    }

    /// `namespace/name`, as people write it.
    public var fullName: String { "\(metadata.namespace)/\(metadata.name)" }
}

/// A list of pods (`core/v1`).
public struct PodList: KubeModel {
    public var kind = "PodList"
    public var apiVersion = "v1"
    public var metadata = ListMeta()
    public var items: [Pod] = []
    public var unknownFields: [Member] = []

    public init() {}

    /// A list as the API sends it: the items do not repeat their kind.
    public init(items: [Pod]) {
        self.items = items.map { pod in
            var pod = pod
            pod.kind = ""
            pod.apiVersion = ""
            return pod
        }
    }

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("items", \.items, always: true)
    }
}

/// How the API says that a request failed (`metav1.Status`).
public struct Status: KubeModel {
    public var kind = "Status"
    public var apiVersion = "v1"
    public var metadata = ListMeta()
    /// `Success` or `Failure`.
    public var status = ""
    public var message = ""
    /// A word for programs, as `NotFound`.
    public var reason = ""
    public var details: Value?
    /// The HTTP status.
    public var code: Int32 = 0
    public var unknownFields: [Member] = []

    public init() {}

    public static func failure(code: Int32, reason: String, message: String) -> Status {
        Status {
            $0.status = "Failure"
            $0.message = message
            $0.reason = reason
            $0.code = code
        }
    }

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("status", \.status)
        $0("message", \.message)
        $0("reason", \.reason)
        $0("details", \.details)
        $0("code", \.code)
    }
}
