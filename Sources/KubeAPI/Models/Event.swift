/// Something that happened to an object, for people to read (`core/v1`).
public struct Event: KubeObject {
    public var kind = "Event"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var involvedObject = ObjectReference()
    /// A word for programs, as `FailedMount`.
    public var reason = ""
    public var message = ""
    public var source = EventSource()
    public var firstTimestamp: Timestamp?
    public var lastTimestamp: Timestamp?
    /// How often it happened between the two.
    public var count: Int32 = 0
    /// `Normal` or `Warning`.
    public var type = ""
    public var reportingComponent = ""
    public var reportingInstance = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("involvedObject", \.involvedObject)
        $0("reason", \.reason)
        $0("message", \.message)
        $0("source", \.source)
        $0("firstTimestamp", \.firstTimestamp)
        $0("lastTimestamp", \.lastTimestamp)
        $0("count", \.count)
        $0("type", \.type)
        $0("reportingComponent", \.reportingComponent, always: true)
        $0("reportingInstance", \.reportingInstance, always: true)
    }
}

/// Who saw it.
public struct EventSource: KubeModel {
    public var component = ""
    public var host = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("component", \.component)
        $0("host", \.host)
    }
}

/// One object, or a part of it.
public struct ObjectReference: KubeModel {
    public var kind = ""
    public var namespace = ""
    public var name = ""
    public var uid = ""
    public var apiVersion = ""
    public var resourceVersion = ""
    /// As `spec.containers{main}`.
    public var fieldPath = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("namespace", \.namespace)
        $0("name", \.name)
        $0("uid", \.uid)
        $0("apiVersion", \.apiVersion)
        $0("resourceVersion", \.resourceVersion)
        $0("fieldPath", \.fieldPath)
    }
}

extension APIResource where Object == Event {
    public static var events: Self { Self(plural: "events") }
}
