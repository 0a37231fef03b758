import KubeAPI
import Proto

/// What the runtime's host says of itself beside what pods may take of it.
struct HostState: Sendable, Hashable {
    /// One thing that is right or wrong with the host.
    struct Condition: Sendable, Hashable {
        var type: String
        var isTrue: Bool
        var reason: String
        var message: String
    }

    var conditions: [Condition] = []

    /// - Parameter info: whose conditions are taken; those that a kubelet tells itself are not the host's to tell.
    init(_ info: HostAPI.HostInfoResponse? = nil) {
        conditions = (info?.conditions ?? []).compactMap { told in
            guard !told.type.isEmpty, !Self.own.contains(told.type) else { return nil }
            return Condition(type: told.type, isTrue: told.status, reason: told.reason, message: told.message)
        }
    }

    private static let own: Set<String> = [
        "Ready", "MemoryPressure", "DiskPressure", "PIDPressure", "NetworkUnavailable",
    ]

    /// As the node tells them. A condition that changes says since when.
    func conditions(before: [NodeCondition], now: Timestamp) -> [NodeCondition] {
        conditions.map { told in
            NodeCondition {
                $0.type = NodeCondition.Kind(rawValue: told.type)
                $0.status = told.isTrue ? "True" : "False"
                $0.reason = told.reason
                $0.message = told.message
                $0.lastHeartbeatTime = now
                let old = before.first { $0.type.rawValue == told.type }
                $0.lastTransitionTime = old?.status == $0.status ? old?.lastTransitionTime ?? now : now
            }
        }
    }
}
