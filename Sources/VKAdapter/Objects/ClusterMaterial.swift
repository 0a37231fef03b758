import KubeAPI
import Logging

/// Everything pods are made of that an API server has, asked for as a node may.
struct ClusterMaterial: Sendable {
    let client: KubeClient
    let cache: ObjectCache
    let tokens: TokenCache
    let services: ClusterServices
    /// Where pods reach the API server, when not at the address of its service.
    let master: ServiceVariables.Master?
    /// Who uses an object that is another now.
    let changes: AsyncStream<Set<String>>

    init(client: KubeClient, master: ServiceVariables.Master? = nil, logger: Logger) {
        self.client = client
        self.master = master
        let (changes, change) = AsyncStream<Set<String>>.makeStream()
        self.changes = changes
        cache = ObjectCache(client: client, logger: logger) { change.yield($0) }
        tokens = TokenCache(client: client, logger: logger)
        services = ClusterServices(client: client, logger: logger)
    }

    /// Follows what pods use, until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await cache.run() }
            group.addTask { await services.run() }
        }
    }

    /// What one volume of a pod is made of.
    /// - Throws: ``AdapterError``, ``KubeAPIError``; what is not there is only missing.
    func material(for volume: Volume, of pod: Pod) async throws -> VolumeMaterial {
        let references = PodReferences(volume, of: pod)
        async let objects = cache.contents(references.objects)
        async let texts = tokens.tokens(references.tokens, for: pod)
        var material = VolumeMaterial()
        for projection in references.bundles { material.bundles[projection] = try await bundles(projection) }
        for name in references.claims { material.claims[name] = try await claim(name, volume, of: pod) }
        material.objects = try await objects
        material.tokens = try await texts
        return material
    }

    // MARK: Trust

    private func bundles(_ projection: TrustBundleProjection) async throws -> [ClusterTrustBundle] {
        do {
            if let name = projection.name, !name.isEmpty {
                return [try await client.get(.clusterTrustBundles, name: name)]
            }
            let signer = projection.signerName ?? ""
            let list = try await client.list(
                .clusterTrustBundles, ListSelection(fields: "spec.signerName=\(signer)"))
            // Without a selector none is meant; with an empty one all.
            return list.items.filter { projection.labelSelector?.matches($0.metadata.labels) ?? false }
        } catch let error as KubeAPIError where error.isNotFound {
            return []
        }
    }

    // MARK: Claims

    private func claim(_ name: String, _ volume: Volume, of pod: Pod) async throws -> ClaimedVolume {
        let namespace = pod.metadata.namespace
        func refusal(_ reason: String) -> AdapterError {
            AdapterError(.invalidArgument, "persistentvolumeclaim \"\(name)\" \(reason)")
        }
        let claim: PersistentVolumeClaim
        do {
            claim = try await client.get(.persistentVolumeClaims, namespace: namespace, name: name)
        } catch let error as KubeAPIError where error.isNotFound {
            throw AdapterError(.notFound, "persistentvolumeclaim \"\(name)\" not found")
        }
        if volume.persistentVolumeClaim == nil {
            let isOurs = claim.metadata.ownerReferences.contains { $0["uid"]?.string == pod.metadata.uid }
            guard isOurs else { throw refusal("was not made for this pod: delete or rename one of them") }
        }
        guard !claim.spec.volumeName.isEmpty, claim.status.phase == "Bound" else {
            throw AdapterError(.notFound, "persistentvolumeclaim \"\(name)\" is not bound to a volume yet")
        }
        guard claim.spec.volumeMode ?? "Filesystem" == "Filesystem" else {
            throw refusal("is a block device: this node has volumes with a file system only")
        }
        let storage = try await client.get(.persistentVolumes, name: claim.spec.volumeName)
        guard storage.spec.claimRef?.uid == claim.metadata.uid else {
            throw refusal("is bound to volume \(storage.metadata.name), which is bound to another claim")
        }
        if let path = storage.spec.hostPath {
            return ClaimedVolume(path: path.path, type: path.type ?? "")
        }
        if let local = storage.spec.local { return ClaimedVolume(path: local.path, type: "Directory") }
        let kind = storage.spec.unknownFields.first { $0.value["path"] != nil || $0.name == "csi" }?.name ?? "its kind"
        throw refusal(
            "is bound to volume \(storage.metadata.name) of a kind this node cannot mount (\(kind)): hostPath and local "
                + "volumes can be")
    }
}

/// The objects of an API server, those followed for a pod.
extension ClusterMaterial: ObjectSource {
    func objects(for container: Container, of pod: Pod) async throws -> KeyedObjects {
        var objects = try await cache.contents(PodReferences.objects(of: container, pod))
        // Pods of files run also where no API server is, and then without services.
        let services = pod.isStatic ? services.known : try await services.all()
        objects.services = ServiceVariables(services: services, master: master).variables(for: pod)
        return objects
    }
}
