import KubeAPI
import Logging

/// Looks after what a node has, beside its pods.
struct Housekeeping: Sendable {
    let images: ImageCollector?
    let eviction: EvictionManager?
    /// Who knows how many machines the host runs; `nil` where somebody has said it.
    let slots: CRIProvider?
    let keeper: NodeKeeper
    /// Between looks at how many machines the host runs: other programs' count too.
    var interval: Duration = .seconds(60)
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            if let images { group.addTask { await images.run() } }
            if let eviction { group.addTask { await eviction.run() } }
            if let slots { group.addTask { await follow(slots) } }
        }
    }

    private func follow(_ provider: CRIProvider) async {
        while !Task.isCancelled {
            var pause = interval
            do {
                let slots = try await provider.machineSlots()
                await keeper.update { node in
                    let quantity = slots.map { Quantity(value: Int64($0)) }
                    node.capacity[NodeDescription.slots] = quantity
                    node.allocatable[NodeDescription.slots] = quantity
                }
            } catch {
                if Task.isCancelled { return }
                logger.debug("cannot learn how many machines the host runs: \(error)")
                pause = min(interval, .seconds(5))
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }
}
