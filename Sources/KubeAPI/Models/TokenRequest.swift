/// Asks for a token of a service account, and brings it (`authentication.k8s.io/v1`).
public struct TokenRequest: KubeModel {
    public var kind = "TokenRequest"
    public var apiVersion = "authentication.k8s.io/v1"
    public var spec = TokenRequestSpec()
    public var status = TokenRequestStatus()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("spec", \.spec)
        $0("status", \.status)
    }
}

public struct TokenRequestSpec: KubeModel {
    /// What the token ends with.
    public struct Bound: KubeModel {
        public var kind = ""
        public var apiVersion = ""
        public var name = ""
        public var uid = ""
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("kind", \.kind)
            $0("apiVersion", \.apiVersion)
            $0("name", \.name)
            $0("uid", \.uid)
        }
    }

    public var audiences: [String] = []
    /// How long it counts; the server may say otherwise.
    public var expirationSeconds: Int64?
    public var boundObjectRef: Bound?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("audiences", \.audiences)
        $0("expirationSeconds", \.expirationSeconds)
        $0("boundObjectRef", \.boundObjectRef)
    }
}

public struct TokenRequestStatus: KubeModel {
    /// Not for logs.
    public var token = ""
    public var expirationTimestamp: Timestamp?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("token", \.token)
        $0("expirationTimestamp", \.expirationTimestamp)
    }
}
