/// A kind of object the double keeps, and how it behaves.
struct ResourceKind: Sendable, Hashable {
    let group: String
    let version: String
    let plural: String
    let kind: String
    var isNamespaced = true
    /// Its status is changed by a path of its own and by nothing else.
    var hasStatus = false

    var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }
    /// The `resource` of error details.
    var qualified: String { group.isEmpty ? plural : "\(plural).\(group)" }

    static let all: [ResourceKind] = [
        .init(group: "", version: "v1", plural: "pods", kind: "Pod", hasStatus: true),
        .init(group: "", version: "v1", plural: "nodes", kind: "Node", isNamespaced: false, hasStatus: true),
        .init(group: "", version: "v1", plural: "namespaces", kind: "Namespace", isNamespaced: false, hasStatus: true),
        .init(group: "", version: "v1", plural: "secrets", kind: "Secret"),
        .init(group: "", version: "v1", plural: "configmaps", kind: "ConfigMap"),
        .init(group: "", version: "v1", plural: "services", kind: "Service", hasStatus: true),
        .init(group: "", version: "v1", plural: "serviceaccounts", kind: "ServiceAccount"),
        .init(group: "", version: "v1", plural: "events", kind: "Event"),
        .init(
            group: "", version: "v1", plural: "persistentvolumeclaims", kind: "PersistentVolumeClaim", hasStatus: true),
        .init(
            group: "", version: "v1", plural: "persistentvolumes", kind: "PersistentVolume", isNamespaced: false,
            hasStatus: true),
        .init(group: "coordination.k8s.io", version: "v1", plural: "leases", kind: "Lease"),
        .init(
            group: "node.k8s.io", version: "v1", plural: "runtimeclasses", kind: "RuntimeClass", isNamespaced: false),
        .init(
            group: "certificates.k8s.io", version: "v1", plural: "certificatesigningrequests",
            kind: "CertificateSigningRequest", isNamespaced: false, hasStatus: true),
        .init(
            group: "authentication.k8s.io", version: "v1", plural: "tokenreviews", kind: "TokenReview",
            isNamespaced: false),
        .init(
            group: "authorization.k8s.io", version: "v1", plural: "subjectaccessreviews", kind: "SubjectAccessReview",
            isNamespaced: false),
        .init(
            group: "certificates.k8s.io", version: "v1beta1", plural: "clustertrustbundles",
            kind: "ClusterTrustBundle", isNamespaced: false),
    ]
}

/// What a request is about.
struct ResourcePath: Sendable, Hashable {
    let kind: ResourceKind
    /// `nil` for all.
    let namespace: String?
    let name: String?
    let subresource: String?

    /// - Returns: `nil` for a path of no object.
    init?(_ path: String) {
        var parts = path.split(separator: "/").map(String.init)
        guard parts.count >= 3 else { return nil }
        let group: String
        switch parts.removeFirst() {
        case "api": group = ""
        case "apis": group = parts.removeFirst()
        default: return nil
        }
        guard !parts.isEmpty else { return nil }
        let version = parts.removeFirst()
        func find(_ plural: String) -> ResourceKind? {
            ResourceKind.all.first { $0.group == group && $0.version == version && $0.plural == plural }
        }
        var namespace: String?
        if parts.count >= 3, parts[0] == "namespaces", let kind = find(parts[2]), kind.isNamespaced {
            namespace = parts[1]
            parts.removeFirst(2)
        }
        guard let plural = parts.first, parts.count <= 3, let kind = find(plural) else { return nil }
        self.kind = kind
        self.namespace = namespace
        name = parts.count > 1 ? parts[1] : nil
        subresource = parts.count > 2 ? parts[2] : nil
    }
}
