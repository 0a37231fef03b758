import KubeAPI

/// What of the cluster a pod is made of.
struct PodReferences: Sendable, Hashable {
    private(set) var objects: Set<ObjectKey> = []
    private(set) var tokens: Set<TokenKey> = []
    private(set) var bundles: Set<TrustBundleProjection> = []
    private(set) var claims: Set<String> = []

    /// It is made without a cluster.
    var isEmpty: Bool { objects.isEmpty && tokens.isEmpty && bundles.isEmpty && claims.isEmpty }

    /// Of the whole pod: its volumes that a container mounts, and all environments.
    init(_ pod: Pod) {
        for volume in pod.mountedVolumes { add(volume, pod) }
        for container in pod.spec.allContainers {
            let keys = Self.objects(of: container, pod)
            objects.formUnion(keys)
        }
    }

    /// Of one volume.
    init(_ volume: Volume, of pod: Pod) { add(volume, pod) }

    private mutating func add(_ volume: Volume, _ pod: Pod) {
        if let name = volume.configMap?.name { add(.configMap, name, pod) }
        if let name = volume.secret?.secretName { add(.secret, name, pod) }
        if let name = volume.claimName(of: pod) { claims.insert(name) }
        for source in volume.projected?.sources ?? [] {
            if let name = source.configMap?.name { add(.configMap, name, pod) }
            if let name = source.secret?.name { add(.secret, name, pod) }
            if let token = source.serviceAccountToken { tokens.insert(TokenKey(token, of: pod)) }
            if let bundle = source.clusterTrustBundle { bundles.insert(bundle) }
        }
    }

    private mutating func add(_ kind: ObjectKey.Kind, _ name: String, _ pod: Pod) {
        if !name.isEmpty { objects.insert(ObjectKey(kind: kind, namespace: pod.metadata.namespace, name: name)) }
    }

    /// What the environment of a container is made of.
    static func objects(of container: Container, _ pod: Pod) -> Set<ObjectKey> {
        var names: Set<ObjectKey> = []
        func add(_ kind: ObjectKey.Kind, _ name: String?) {
            guard let name, !name.isEmpty else { return }
            names.insert(ObjectKey(kind: kind, namespace: pod.metadata.namespace, name: name))
        }
        for variable in container.env {
            add(.configMap, variable.valueFrom?.configMapKeyRef?.name)
            add(.secret, variable.valueFrom?.secretKeyRef?.name)
        }
        for source in container.envFrom {
            add(.configMap, source.configMapRef?.name)
            add(.secret, source.secretRef?.name)
        }
        return names
    }
}

extension Pod {
    /// The volumes somebody mounts: nobody makes the others.
    var mountedVolumes: [Volume] {
        let names = Set(spec.allContainers.flatMap { $0.volumeMounts.map(\.name) })
        return spec.volumes.filter { names.contains($0.name) }
    }
}

extension Volume {
    /// The claim whose storage this is; of a generic ephemeral volume the one that is made for it.
    func claimName(of pod: Pod) -> String? {
        if let claim = persistentVolumeClaim { return claim.claimName }
        return unknownFields.contains { $0.name == "ephemeral" } ? "\(pod.metadata.name)-\(name)" : nil
    }

    /// What is in it is not the container's to change.
    func isReadOnly(in pod: Pod) -> Bool {
        configMap != nil || secret != nil || downwardAPI != nil || projected != nil
            || persistentVolumeClaim?.readOnly == true
    }
}
