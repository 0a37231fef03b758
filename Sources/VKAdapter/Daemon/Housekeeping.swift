/// Looks after what a node has, beside its pods.
struct Housekeeping: Sendable {
    let images: ImageCollector?
    let eviction: EvictionManager?
    let host: HostFollower

    /// Runs until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            if let images { group.addTask { await images.run() } }
            if let eviction { group.addTask { await eviction.run() } }
            group.addTask { await host.run() }
        }
    }
}
