import KubeAPI
import Logging
import Proto

/// Looks how the runtime is, and tells the keeper of the node. The CRI has no event for it.
struct NodeMonitor: Sendable {
    let provider: any Provider
    let keeper: NodeKeeper
    var interval: Duration = .seconds(5)

    /// Runs until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let health = await look()
            if Task.isCancelled { return }
            await keeper.update {
                $0.health = health.health
                if let version = health.version { $0.info.containerRuntimeVersion = version }
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    private func look() async -> (health: NodeHealth, version: String?) {
        do {
            let version = try await provider.version()
            let status = try await provider.status()
            return (Self.health(status), "\(version.runtimeName)://\(version.runtimeVersion)")
        } catch {
            var health = NodeHealth()
            health.problems = ["the container runtime does not answer: \(error)"]
            return (health, nil)
        }
    }

    /// What the runtime's conditions mean for the node (CRI `RuntimeStatus`).
    static func health(_ status: CRI.RuntimeStatus) -> NodeHealth {
        var health = NodeHealth(problems: [])
        for (type, name) in [("RuntimeReady", "container runtime"), ("NetworkReady", "container runtime network")] {
            let condition = status.conditions.first { $0.type == type }
            if condition?.status == true { continue }
            let reason = condition.map { "reason:\($0.reason) message:\($0.message)" } ?? "it does not say"
            health.problems.append("\(name) not ready: \(reason)")
        }
        // Ours says what its disk has left; other runtimes say nothing.
        health.isShortOfDisk = status.conditions.contains { $0.type == Self.diskCondition && !$0.status }
        return health
    }

    /// The condition of `cri-shim` that is false when its disk is nearly full.
    static let diskCondition = "VMDiskReady"
}
