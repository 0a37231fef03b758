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
    private let pods: Reflector<Pod>

    init(
        _ connection: ClusterConnection, node: NodeDescription, provider: any Provider,
        writer: StatusWriter, client: KubeClient, configuration: AdapterConfiguration, logger: Logger
    ) {
        self.client = client
        self.writer = writer
        var intervals = NodeKeeper.Intervals()
        intervals.lease = configuration.leaseInterval
        keeper = NodeKeeper(node, client: client, intervals: intervals, logger: logger)
        monitor = NodeMonitor(provider: provider, keeper: keeper, interval: configuration.healthInterval)
        pods = Reflector(
            .pods, namespace: configuration.namespace, fields: "spec.nodeName=\(node.name)", client: client,
            logger: logger)
    }

    /// Runs until the task is cancelled.
    func run(_ manager: PodManager) async {
        await withDiscardingTaskGroup { group in
            group.addTask { await keeper.run() }
            group.addTask { await monitor.run() }
            group.addTask { await writer.run() }
            group.addTask {
                let set = PodSetBox()
                await pods.run { news in manager.tell(.wanted(await set.take(news))) }
            }
        }
        await client.shutdown()
    }
}

/// The reflector tells one thing after the other; what it is told to keeps the set.
private actor PodSetBox {
    private var set = ClusterPodSet()
    func take(_ news: Reflector<Pod>.News) -> WantedPods { set.take(news) }
}
