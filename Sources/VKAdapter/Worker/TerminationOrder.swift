import KubeAPI
import Waiting

/// Who of a pod's containers ends before whom (kubelet `terminationOrdering`): side-cars after the regular ones, and each
/// after those that were started later. Whoever waits does so within its own time to end.
struct TerminationOrder: Sendable {
    private let gates: [String: Latch]
    private let earlier: [String: [String]]

    /// - Parameter running: the names of those that run; nobody waits for the others.
    init(_ pod: Pod, running: Set<String>) {
        var gates: [String: Latch] = [:]
        var earlier: [String: [String]] = [:]
        var before = pod.spec.containers.map(\.name)
        for name in before { gates[name] = Latch() }
        for sidecar in pod.spec.initContainers.reversed() where sidecar.isSidecar {
            gates[sidecar.name] = Latch()
            earlier[sidecar.name] = before
            before.append(sidecar.name)
        }
        for (name, gate) in gates where !running.contains(name) { gate.open() }
        self.gates = gates
        self.earlier = earlier
    }

    /// Returns when all that end earlier have ended, when the time is over or when the task is cancelled.
    func wait(_ name: String, atMost time: Duration) async {
        let end = ContinuousClock.now + time
        for other in earlier[name] ?? [] {
            let rest = end - .now
            guard rest > .zero else { return }
            await gates[other]?.wait(atMost: rest)
        }
    }

    func ended(_ name: String) { gates[name]?.open() }
}
