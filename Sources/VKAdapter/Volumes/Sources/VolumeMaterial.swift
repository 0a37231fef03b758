import KubeAPI

/// What a cluster gave for the volumes of one pod. A missing object is not in it.
struct VolumeMaterial: Sendable {
    var objects = KeyedObjects()
    var tokens: [TokenKey: String] = [:]
    /// By what asks for them; `nil` where there is nothing of the kind.
    var bundles: [TrustBundleProjection: [ClusterTrustBundle]] = [:]
    /// By claim: the host's path, once it is bound to one.
    var claims: [String: ClaimedVolume] = [:]
}

/// What a claim is bound to.
struct ClaimedVolume: Sendable, Hashable {
    var path: String
    /// As ``HostPathVolume/type``.
    var type: String
}

/// A token of a service account for one pod.
struct TokenKey: Sendable, Hashable {
    var serviceAccount: String
    /// Empty: the API server itself.
    var audience: String
    var seconds: Int64

    init(_ projection: TokenProjection, of pod: Pod) {
        serviceAccount = pod.spec.serviceAccountName.isEmpty ? "default" : pod.spec.serviceAccountName
        audience = projection.audience
        seconds = projection.expirationSeconds ?? 3600
    }
}
