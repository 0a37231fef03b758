import KubeAPI
import NIOConcurrencyHelpers

/// What containers have together where their engine is another machine than the host, as on a Mac: its own processors and
/// memory. Pods of machines take nothing of it, and what a pod is, is known only once its images are.
final class ContainerPool: Sendable {
    private struct State {
        var size: [String: Quantity] = [:]
        var pods: [String: Pod] = [:]
    }
    private let state = NIOLockedValueBox(State())

    /// - Parameter size: empty where containers have what the host has.
    func resize(_ size: [String: Quantity]) { state.withLockedValue { $0.size = size } }

    /// Takes what the pod asks for, where it is there.
    /// - Returns: what there is too little of; the pod then has nothing.
    func enter(_ pod: Pod) -> WaitingReason? {
        state.withLockedValue { state in
            let others = state.pods.values.filter { $0.metadata.uid != pod.metadata.uid }
            let admission = Admission(nodeName: "", os: "linux", allocatable: state.size)
            if let shortage = admission.shortage(for: pod, beside: Array(others)) { return shortage }
            state.pods[pod.metadata.uid] = pod
            return nil
        }
    }

    /// The pod runs already, whether it fits or not.
    func found(_ pod: Pod) { state.withLockedValue { $0.pods[pod.metadata.uid] = pod } }

    /// Nothing of the pod runs any more.
    func leave(_ uid: String) { state.withLockedValue { $0.pods[uid] = nil } }
}
