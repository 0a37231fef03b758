import KubeAPI

/// Whether an event tells of something that went well.
enum PodEventType: String, Sendable, Hashable {
    case normal = "Normal"
    case warning = "Warning"
}

/// Where workers tell what happens to a pod, in the kubelet's words. Nobody waits for it: what cannot be told at once is
/// told later or dropped by whoever keeps it.
protocol PodEvents: Sendable {
    /// - Parameters:
    ///   - reason: one word for programs, as `Unhealthy`.
    ///   - message: for people.
    ///   - container: the container it happened to; `nil` for the pod as a whole.
    func record(_ pod: Pod, _ type: PodEventType, reason: String, message: String, container: String?)
    /// Something of the node a pod made known.
    func recordNode(_ type: PodEventType, reason: String, message: String)
}

extension PodEvents {
    func recordNode(_ type: PodEventType, reason: String, message: String) {}

    /// Of the pod as a whole.
    func record(_ pod: Pod, _ type: PodEventType, reason: String, message: String) {
        record(pod, type, reason: reason, message: message, container: nil)
    }
}

/// Without a cluster nobody keeps events: the log has them.
struct NoPodEvents: PodEvents {
    func record(_ pod: Pod, _ type: PodEventType, reason: String, message: String, container: String?) {}
}
