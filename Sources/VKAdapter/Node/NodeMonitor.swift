import KubeAPI
import Logging
import Proto

/// Looks how the runtime is, and tells the keeper of the node. The CRI has no event for it.
struct NodeMonitor: Sendable {
    let provider: any Provider
    let keeper: NodeKeeper
    let situation: NodeSituation
    var interval: Duration = .seconds(5)

    /// Runs until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            let seen = await look()
            if Task.isCancelled { return }
            if let features = seen.features { situation.keepsStrictGroups = features.supplementalGroupsPolicy }
            await keeper.update {
                $0.health = seen.health
                if let version = seen.version { $0.info.containerRuntimeVersion = version }
                if let features = seen.features { $0.keepsStrictGroups = features.supplementalGroupsPolicy }
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    private func look() async -> (health: NodeHealth, version: String?, features: CRI.RuntimeFeatures?) {
        do {
            let version = try await provider.version()
            let answer = try await provider.status()
            return (
                Self.health(answer.status ?? CRI.RuntimeStatus()), "\(version.runtimeName)://\(version.runtimeVersion)",
                answer.features ?? CRI.RuntimeFeatures()
            )
        } catch {
            var health = NodeHealth()
            health.problems = ["the container runtime does not answer: \(error)"]
            return (health, nil, nil)
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
