/// Certificates to trust, for everybody in the cluster (`certificates.k8s.io/v1beta1`).
public struct ClusterTrustBundle: KubeObject {
    public var kind = "ClusterTrustBundle"
    public var apiVersion = "certificates.k8s.io/v1beta1"
    public var metadata = ObjectMeta()
    public var spec = TrustBundleSpec()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
    }
}

public struct TrustBundleSpec: KubeModel {
    /// Who signs certificates that lead there; empty for a bundle that belongs to no signer.
    public var signerName = ""
    /// PEM certificates.
    public var trustBundle = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("signerName", \.signerName)
        $0("trustBundle", \.trustBundle, always: true)
    }
}
