/// What every Kubernetes object has (`metav1.ObjectMeta`).
public struct ObjectMeta: KubeModel {
    public var name = ""
    public var generateName = ""
    public var namespace = ""
    public var uid = ""
    public var resourceVersion = ""
    public var generation: Int64 = 0
    public var creationTimestamp: Timestamp?
    /// When deletion was asked for plus the grace period; `nil` while nobody wants it gone.
    public var deletionTimestamp: Timestamp?
    /// Seconds.
    public var deletionGracePeriodSeconds: Int64?
    public var labels: [String: String] = [:]
    public var annotations: [String: String] = [:]
    public var ownerReferences: [Value] = []
    public var finalizers: [String] = []
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("generateName", \.generateName)
        $0("namespace", \.namespace)
        $0("uid", \.uid)
        $0("resourceVersion", \.resourceVersion)
        $0("generation", \.generation)
        $0("creationTimestamp", \.creationTimestamp)
        $0("deletionTimestamp", \.deletionTimestamp)
        $0("deletionGracePeriodSeconds", \.deletionGracePeriodSeconds)
        $0("labels", \.labels)
        $0("annotations", \.annotations)
        $0("ownerReferences", \.ownerReferences)
        $0("finalizers", \.finalizers)
    }
}

/// What every list has (`metav1.ListMeta`).
public struct ListMeta: KubeModel {
    public var resourceVersion = ""
    public var `continue` = ""
    public var remainingItemCount: Int64?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("resourceVersion", \.resourceVersion)
        $0("continue", \.`continue`)
        $0("remainingItemCount", \.remainingItemCount)
    }
}
