import HostFiles
import KubeAPI
import Proto

extension DaemonSetup {
    /// What keeps the node from running full.
    func housekeeping(
        _ cluster: ClusterMode, _ host: RuntimeHost, _ provider: CRIProvider, _ context: PodContext,
        _ manager: PodManager
    ) throws -> Housekeeping {
        let levels = HostLevels(
            provider: provider, isRemote: host.remote != nil, memory: host.facts.memoryBytes, root: configuration.root,
            pool: pool)
        var policy = ImageGarbage.Policy()
        policy.high = UInt64(configuration.imageHigh)
        policy.low = UInt64(configuration.imageLow)
        let images = ImageCollector(
            store: provider, policy: policy, nodeName: configuration.nodeName, events: cluster.events, logger: logger,
            space: { try await levels.imageDisk() })
        var thresholds: [EvictionThreshold] = []
        for text in configuration.evictionHard { thresholds.append(try EvictionThreshold.parse(text)) }
        let store = context.store
        let volumes = context.volumes
        let keeper = cluster.keeper
        let eviction = EvictionManager(
            thresholds: thresholds, nodeName: configuration.nodeName, events: cluster.events, logger: logger,
            levels: { try await levels.levels() },
            candidates: {
                let usage = try await provider.podUsage()
                var candidates: [EvictionCandidate] = []
                for pod in store.all {
                    let used = usage[pod.metadata.uid]
                    let files = try await volumes.host.usage(pod: pod.metadata.uid).reduce(0) { $0 &+ $1.usedBytes }
                    candidates.append(
                        EvictionCandidate(pod: pod, memory: used?.memory ?? 0, disk: (used?.disk ?? 0) &+ files))
                }
                return candidates
            }, collectImages: { _ = try await images.collect(all: true) },
            evict: { uid, message in manager.tell(.failed(uid, WaitingReason("Evicted", message))) },
            tell: { pressure in await keeper.update { $0.pressure = pressure } })
        return Housekeeping(
            images: configuration.imageHigh < 100 ? images : nil, eviction: thresholds.isEmpty ? nil : eviction,
            slots: configuration.machineSlots == nil ? provider : nil, keeper: keeper, logger: logger)
    }
}
