import KubeAPI
import NIOConcurrencyHelpers

/// How often probes found what, for `/metrics/probes` (`prober_probe_total`).
final class ProbeMetrics: Sendable {
    struct Key: Sendable, Hashable {
        var podUID: String
        var pod: String
        var namespace: String
        var container: String
        /// `Startup`, `Readiness` or `Liveness`.
        var type: String
        /// `successful`, `failed` or `unknown`.
        var result: String
    }

    private let box = NIOLockedValueBox<[Key: Int]>([:])

    /// The counts of all pods that are still here.
    var counts: [Key: Int] { box.withLockedValue { $0 } }

    func count(_ pod: Pod, _ container: String, _ kind: ProbeState.Kind, _ outcome: ProbeState.Outcome) {
        let result =
            switch outcome {
            case .success: "successful"
            case .failure: "failed"
            case .unknown: "unknown"
            }
        let key = Key(
            podUID: pod.metadata.uid, pod: pod.metadata.name, namespace: pod.metadata.namespace, container: container,
            type: kind.rawValue, result: result)
        box.withLockedValue { $0[key, default: 0] += 1 }
    }

    /// Nothing of the pod is told any more.
    func forget(podUID: String) { box.withLockedValue { counts in counts = counts.filter { $0.key.podUID != podUID } } }
}
