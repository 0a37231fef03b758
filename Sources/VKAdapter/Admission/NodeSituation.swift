import NIOConcurrencyHelpers

/// How the node is while it decides whether a pod may run on it.
final class NodeSituation: Sendable {
    private struct State {
        var pressure = NodePressure()
        var isEnding = false
        var keepsStrictGroups: Bool?
        var own: OwnNode.Facts?
    }
    private let state = NIOLockedValueBox(State())

    /// What the node is short of.
    var pressure: NodePressure {
        get { state.withLockedValue { $0.pressure } }
        set { state.withLockedValue { $0.pressure = newValue } }
    }

    /// The node is about to end, and takes nobody.
    var isEnding: Bool {
        get { state.withLockedValue { $0.isEnding } }
        set { state.withLockedValue { $0.isEnding = newValue } }
    }

    /// Whether the runtime gives a pod just the groups it names; `nil` before it was asked.
    var keepsStrictGroups: Bool? {
        get { state.withLockedValue { $0.keepsStrictGroups } }
        set { state.withLockedValue { $0.keepsStrictGroups = newValue } }
    }

    /// What the cluster says of this node; `nil` before it was heard, and without a cluster.
    var own: OwnNode.Facts? {
        get { state.withLockedValue { $0.own } }
        set { state.withLockedValue { $0.own = newValue } }
    }
}
