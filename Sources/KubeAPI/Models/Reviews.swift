/// A question to the API server: whose is this token? (`authentication.k8s.io/v1`)
public struct TokenReview: KubeObject {
    public var kind = "TokenReview"
    public var apiVersion = "authentication.k8s.io/v1"
    public var metadata = ObjectMeta()
    public var spec = TokenReviewSpec()
    public var status = TokenReviewStatus()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata, always: true)
        $0("spec", \.spec)
        $0("status", \.status)
    }
}

public struct TokenReviewSpec: KubeModel {
    public var token = ""
    /// Whom the token must be meant for; empty for the API server itself.
    public var audiences: [String] = []
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("token", \.token)
        $0("audiences", \.audiences)
    }
}

public struct TokenReviewStatus: KubeModel {
    public var authenticated = false
    public var user = UserInfo()
    public var audiences: [String] = []
    public var error = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("authenticated", \.authenticated)
        $0("user", \.user)
        $0("audiences", \.audiences)
        $0("error", \.error)
    }
}

/// Somebody the API server knows.
public struct UserInfo: KubeModel {
    public var username = ""
    public var uid = ""
    public var groups: [String] = []
    public var extra: [String: [String]] = [:]
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("username", \.username)
        $0("uid", \.uid)
        $0("groups", \.groups)
        $0("extra", \.extra)
    }
}

/// A question to the API server: may somebody do this? (`authorization.k8s.io/v1`)
public struct SubjectAccessReview: KubeObject {
    public var kind = "SubjectAccessReview"
    public var apiVersion = "authorization.k8s.io/v1"
    public var metadata = ObjectMeta()
    public var spec = SubjectAccessReviewSpec()
    public var status = SubjectAccessReviewStatus()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata, always: true)
        $0("spec", \.spec)
        $0("status", \.status, always: true)
    }
}

public struct SubjectAccessReviewSpec: KubeModel {
    public var user = ""
    public var uid = ""
    public var groups: [String] = []
    public var extra: [String: [String]] = [:]
    public var resourceAttributes: ResourceAttributes?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("user", \.user)
        $0("uid", \.uid)
        $0("groups", \.groups)
        $0("extra", \.extra)
        $0("resourceAttributes", \.resourceAttributes)
    }
}

/// What somebody wants to do to which object.
public struct ResourceAttributes: KubeModel {
    public var namespace = ""
    public var verb = ""
    public var group = ""
    public var version = ""
    public var resource = ""
    public var subresource = ""
    public var name = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("namespace", \.namespace)
        $0("verb", \.verb)
        $0("group", \.group)
        $0("version", \.version)
        $0("resource", \.resource)
        $0("subresource", \.subresource)
        $0("name", \.name)
    }
}

public struct SubjectAccessReviewStatus: KubeModel {
    public var allowed = false
    /// Refused whatever else would allow it.
    public var denied = false
    public var reason = ""
    public var evaluationError = ""
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("allowed", \.allowed, always: true)
        $0("denied", \.denied)
        $0("reason", \.reason)
        $0("evaluationError", \.evaluationError)
    }
}

extension APIResource where Object == TokenReview {
    public static var tokenReviews: Self {
        Self(group: "authentication.k8s.io", plural: "tokenreviews", isNamespaced: false)
    }
}

extension APIResource where Object == SubjectAccessReview {
    public static var subjectAccessReviews: Self {
        Self(group: "authorization.k8s.io", plural: "subjectaccessreviews", isNamespaced: false)
    }
}
