import KubeAPI
import Logging

/// Ends the pods of a node whose machine is about to go (the kubelet's graceful shutdown): the cluster learns that the node
/// takes no more, every pod gets its time to end, and how it ended is told.
struct Drain: Sendable {
    /// For everything together.
    let grace: Duration
    let store: PodStore
    let manager: PodManager
    let cluster: ClusterMode?
    let logger: Logger

    private static let words = "Pod was terminated in response to imminent node shutdown."
    static let reason = WaitingReason("Terminated", words, disruption: words)

    func run() async {
        logger.info("the node ends: its pods have \(WaitingReason.goText(grace)) to end")
        let end = ContinuousClock.now + grace
        await cluster?.keeper.update { $0.ending = "node is shutting down" }
        for pod in store.all where !pod.isOver { manager.tell(.failed(pod.metadata.uid, Self.reason)) }
        await wait(until: end) { store.all.allSatisfy { !$0.hasRunning && $0.isOver } }
        let left = store.all.filter(\.hasRunning).map(\.fullName)
        if !left.isEmpty { logger.warning("these pods did not end in time: \(left.joined(separator: ", "))") }
        // The last word to the cluster has a moment, also when pods took all the time there was.
        if let cluster {
            await wait(until: max(end, ContinuousClock.now) + .seconds(2)) { await cluster.isTold }
        }
    }

    private func wait(until end: ContinuousClock.Instant, _ isDone: () async -> Bool) async {
        while !Task.isCancelled, ContinuousClock.now < end {
            if await isDone() { return }
            do { try await Task.sleep(for: .milliseconds(50)) } catch { return }
        }
    }
}

extension Pod {
    fileprivate var hasRunning: Bool {
        (status.initContainerStatuses + status.containerStatuses).contains { $0.state.running != nil }
    }
}
