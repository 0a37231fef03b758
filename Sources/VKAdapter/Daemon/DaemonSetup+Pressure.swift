import HostFiles
import KubeAPI
import Proto

extension DaemonSetup {
    /// What keeps the node from running full.
    func housekeeping(
        _ cluster: ClusterMode, _ host: RuntimeHost, _ provider: CRIProvider, _ context: PodContext,
        _ manager: PodManager, _ resources: NodeResources, _ situation: NodeSituation
    ) throws -> Housekeeping {
        let levels = HostLevels(
            provider: provider, isRemote: host.remote != nil, memory: host.facts.memoryBytes, root: configuration.root,
            pool: pool)
        var policy = ImageGarbage.Policy()
        policy.high = UInt64(configuration.imageHigh)
        policy.low = UInt64(configuration.imageLow)
        let images = ImageCollector(
            store: provider, records: context.images.records, policy: policy, nodeName: configuration.nodeName,
            events: cluster.events, logger: logger,
            space: { try await levels.imageDisk() })
        let thresholds = try thresholds()
        let store = context.store
        let volumes = context.volumes
        let keeper = cluster.keeper
        var intervals = EvictionManager.Intervals()
        intervals.transition = configuration.evictionPressureTransition
        let eviction = EvictionManager(
            thresholds: thresholds, intervals: intervals,
            mostGrace: Int64(configuration.evictionMaximumPodGrace), nodeName: configuration.nodeName,
            events: cluster.events, metrics: context.metrics, logger: logger,
            levels: { try await levels.levels() },
            candidates: {
                let usage = try await provider.podUsage()
                var candidates: [EvictionCandidate] = []
                for pod in store.all {
                    let files = try await volumes.host.usage(pod: pod.metadata.uid).reduce(0) { $0 &+ $1.usedBytes }
                    candidates.append(
                        EvictionCandidate(
                            pod: pod, containers: usage[pod.metadata.uid] ?? [:], volumes: files))
                }
                return candidates
            },
            hasLimits: { store.all.contains(where: \.hasDiskLimit) },
            collectImages: { _ = try await images.collect(all: true) },
            evict: { uid, reason, grace in manager.tell(.failed(uid, reason, grace: grace)) },
            tell: { pressure in
                situation.pressure = pressure
                await keeper.update { $0.pressure = pressure }
            })
        let follower = HostFollower(
            provider: provider, resources: resources, pool: context.pool, keeper: keeper,
            isRemote: host.remote != nil, followsSlots: configuration.machineSlots == nil,
            disk: { try await levels.levels()[.nodeDisk]?.capacity }, interval: configuration.hostInterval,
            logger: logger)
        return Housekeeping(
            images: configuration.imageHigh < 100 ? images : nil, eviction: eviction,
            host: follower)
    }
}
