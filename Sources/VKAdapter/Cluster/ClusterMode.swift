import KubeAPI
import Logging
import NIOCore

/// What the adapter does as the node of a cluster: it is there, its pods come from the API server, and their status goes
/// back.
struct ClusterMode: Sendable {
    let client: KubeClient
    let keeper: NodeKeeper
    let monitor: NodeMonitor
    let writer: StatusWriter
    let events: EventRecorder
    private let images: NodeImages
    private let mirrors: MirrorPods
    private let manifests: ManifestDirectory?
    private let pods: Reflector<Pod>
    private let own: OwnNode

    init(
        node: NodeDescription, provider: CRIProvider, pulls: ImagePulls, link: ClusterLink,
        manifests: ManifestDirectory?, configuration: AdapterConfiguration, situation: NodeSituation, logger: Logger
    ) {
        client = link.client
        writer = link.writer
        events = link.events
        mirrors = link.mirrors
        self.manifests = manifests
        var intervals = NodeKeeper.Intervals()
        intervals.lease = configuration.leaseInterval
        keeper = NodeKeeper(node, client: client, intervals: intervals, events: events, logger: logger)
        monitor = NodeMonitor(
            provider: provider, keeper: keeper, situation: situation, interval: configuration.healthInterval)
        images = NodeImages(store: provider, keeper: keeper, pulls: pulls, logger: logger)
        own = OwnNode(name: node.name, client: client, situation: situation, logger: logger)
        pods = Reflector(
            .pods, namespace: configuration.namespace, fields: "spec.nodeName=\(node.name)", client: client,
            logger: logger)
    }

    /// Whether the cluster knows what the store and the node's description say, as far as it takes it.
    var isTold: Bool {
        get async {
            // In the order in which news travel: what one has passed on the next has.
            guard mirrors.isIdle else { return false }
            let isWriterIdle = await writer.isIdle
            let isNodeTold = await keeper.isTold
            return isWriterIdle && isNodeTold
        }
    }

    /// Runs until the task is cancelled.
    func run(_ manager: PodManager) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await keeper.run() }
            group.addTask { await monitor.run() }
            group.addTask { await writer.run() }
            group.addTask { await events.run() }
            group.addTask { await images.run() }
            group.addTask { await mirrors.run() }
            let sources = WantedSources(manager: manager, mirrors: mirrors, hasFiles: manifests != nil)
            group.addTask { await own.run() }
            group.addTask {
                // A pod that was bound for a label somebody gave the node must not be judged without it.
                await own.known()
                await pods.run { await sources.take(cluster: $0) }
            }
            if let manifests {
                group.addTask {
                    await manifests.run { await sources.take(files: WantedPods(pods: $0, unreadableFiles: $1)) }
                }
            } else {
                // Mirrors of files that are not looked at any more go.
                mirrors.wanted([])
            }
        }
        await client.shutdown()
    }
}
