import KubeAPI
import NIOCore

extension DaemonSetup {
    func link(
        _ connection: ClusterConnection, master: ServiceVariables.Master?, metrics: AdapterMetrics,
        group: any EventLoopGroup
    ) -> ClusterLink {
        let client = KubeClient(connection, options: .init { metrics.asked($0) }, group: group, logger: logger)
        let writer = StatusWriter(client: client, logger: logger)
        return ClusterLink(
            client: client, writer: writer,
            events: EventRecorder(client: client, host: configuration.nodeName, logger: logger),
            mirrors: MirrorPods(client: client, nodeName: configuration.nodeName, logger: logger) {
                writer.tell($0, isGone: $1)
            },
            material: ClusterMaterial(client: client, master: master, logger: logger))
    }

    /// What the workers of pods are given. Who admits, asks, measures and traces them is still missing.
    func context(
        _ provider: CRIProvider, _ host: RuntimeHost, _ mapping: MappingContext, store: PodStore,
        runtime: RuntimeInfo, events: any PodEvents, link: ClusterLink?
    ) -> PodContext {
        let volumes = PodVolumes(
            host: host.volumes(root: configuration.root), cluster: link?.material, mapping: mapping, events: events,
            intervals: .init(retry: configuration.retryInterval, usage: configuration.usageInterval), logger: logger)
        var context = PodContext(
            provider: provider, volumes: volumes, logs: host.logs, mapping: mapping, store: store, runtime: runtime,
            logger: logger)
        context.policy = BackOff.Policy(
            initial: configuration.backOffInitial, maximum: configuration.backOffMaximum,
            reset: configuration.backOffReset)
        context.retry = configuration.retryInterval
        context.mountPolicy.initial = configuration.mountRetryInterval
        context.postStartTimeout = configuration.postStartTimeout
        context.events = events
        context.objects = link?.material
        context.images = ImagePulls(
            secrets: link.map { ClusterPullSecrets(client: $0.client) }, records: pullRecords(),
            atOnce: configuration.maximumParallelPulls)
        return context
    }
}
