import KubeAPI
import Logging
import Waiting

/// Follows what the cluster says of this node: labels and taints that others gave it decide which pods may run here.
struct OwnNode: Sendable {
    struct Facts: Sendable, Hashable {
        var labels: [String: String]
        var taints: [Taint]

        init(_ node: Node) {
            labels = node.metadata.labels
            taints = node.spec.taints
        }
    }

    private let situation: NodeSituation
    private let reflector: Reflector<Node>
    private let heard: Latch

    init(name: String, client: KubeClient, situation: NodeSituation, logger: Logger) {
        self.situation = situation
        let heard = Latch()
        self.heard = heard
        var options = Reflector<Node>.Options()
        // Who may not look at its node judges pods by the labels it gave itself.
        options.failed = { error in if (error as? KubeAPIError)?.isForbidden == true { heard.open() } }
        reflector = Reflector(
            .nodes, fields: "metadata.name=\(name)", client: client, options: options, logger: logger)
    }

    /// Runs until the task is cancelled.
    func run() async {
        await reflector.run { [situation, heard] news in
            switch news {
            case .replaced(let nodes, _): situation.own = nodes.first.map(Facts.init)
            case .changed(let node): situation.own = Facts(node)
            // It is made again at once. What it was holds until then.
            case .removed, .unreadable: break
            }
            heard.open()
        }
    }

    /// Returns when the cluster was heard, or will not tell.
    func known() async { await heard.wait() }
}
