/// Who a pod is to the cluster (`core/v1`).
public struct ServiceAccount: KubeObject {
    public var kind = "ServiceAccount"
    public var apiVersion = "v1"
    public var metadata = ObjectMeta()
    public var imagePullSecrets: [LocalObjectReference] = []
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("imagePullSecrets", \.imagePullSecrets)
    }
}
