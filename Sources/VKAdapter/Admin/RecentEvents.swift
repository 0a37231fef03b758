import KubeAPI
import NIOConcurrencyHelpers

/// Something that happened to a pod.
struct RecentEvent: Sendable, Hashable {
    var type: PodEventType
    var reason: String
    var message: String
    var container: String?
    /// How often in a row.
    var count = 1
    var last: Timestamp
}

/// Keeps the last events of every pod for those who look at this node without a cluster, and hands them on.
final class RecentEvents: PodEvents {
    private let next: any PodEvents
    private let limit: Int
    private let now: @Sendable () -> Timestamp
    private let pods = NIOLockedValueBox<[String: [RecentEvent]]>([:])

    /// - Parameter limit: events kept of a pod.
    init(
        _ next: any PodEvents, limit: Int = 20, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        self.next = next
        self.limit = limit
        self.now = now
    }

    func record(_ pod: Pod, _ type: PodEventType, reason: String, message: String, container: String?) {
        var event = RecentEvent(type: type, reason: reason, message: message, container: container, last: now())
        pods.withLockedValue { pods in
            var events = pods[pod.metadata.uid] ?? []
            if let same = events.firstIndex(where: {
                $0.reason == reason && $0.message == message && $0.container == container
            }) {
                event.count += events.remove(at: same).count
            }
            events.append(event)
            pods[pod.metadata.uid] = events.suffix(limit)
        }
        next.record(pod, type, reason: reason, message: message, container: container)
    }

    func recordNode(_ type: PodEventType, reason: String, message: String) {
        next.recordNode(type, reason: reason, message: message)
    }

    /// The oldest first.
    func events(of uid: String) -> [RecentEvent] { pods.withLockedValue { $0[uid] ?? [] } }

    /// Forgets what happened to pods that are gone.
    func keep(_ uids: Set<String>) { pods.withLockedValue { $0 = $0.filter { uids.contains($0.key) } } }
}

extension RecentEvent {
    var value: Value {
        var object = ObjectBuilder()
        object.add("type", type.rawValue)
        object.add("reason", reason)
        object.add("message", message)
        if let container { object.add("container", container) }
        object.add("count", UInt64(count))
        object.add("lastTimestamp", last)
        return object.value
    }
}
