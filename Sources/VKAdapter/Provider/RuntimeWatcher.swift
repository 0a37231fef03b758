import Logging
import Proto

/// Tells the manager what happens in the runtime: events, and lists in case one was missed. While the runtime is away it
/// is tried again, and the log says so once.
struct RuntimeWatcher: Sendable {
    struct Intervals: Sendable {
        /// Between lists beside events.
        var relist: Duration = .seconds(60)
        /// Between lists of a runtime without events.
        var poll: Duration = .seconds(1)
        /// Before the first new try; doubles.
        var retry: Duration = .milliseconds(200)
        var maximumRetry: Duration = .seconds(5)
    }

    let provider: any Provider
    let manager: PodManager
    let runtime: RuntimeInfo
    var intervals = Intervals()
    var metrics: AdapterMetrics?
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        var delay = intervals.retry
        var isAway = false
        var hasEvents = true
        while !Task.isCancelled {
            do {
                let version = try await provider.version()
                runtime.name = version.runtimeName
                if isAway || delay == intervals.retry {
                    logger.info("the runtime answers: \(version.runtimeName) \(version.runtimeVersion)")
                }
                isAway = false
                delay = intervals.retry
                if hasEvents { try await followEvents() } else { try await poll() }
            } catch let error as AdapterError where error.code == .unimplemented && hasEvents {
                logger.info("the runtime has no events: its pods are listed every second instead")
                hasEvents = false
                continue
            } catch {
                if Task.isCancelled { return }
                if !isAway { logger.error("the runtime is away, its pods run on; trying again: \(error)") }
                isAway = true
            }
            do { try await Task.sleep(for: delay) } catch { return }
            delay = min(delay * 2, intervals.maximumRetry)
        }
    }

    private func list() async throws -> [String: PodDigest] {
        let start = ContinuousClock.now
        let pods = try await provider.pods()
        metrics?.observe(AdapterMetrics.relist, [:], start.duration(to: .now))
        return pods
    }

    private func followEvents() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (opened, open) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
            group.addTask {
                try await provider.events(opened: { open.yield() }) { manager.tell(.changed($0)) }
            }
            group.addTask {
                // The list after the events: nothing can happen between the two.
                for await _ in opened { break }
                while true {
                    manager.tell(.listed(try await list()))
                    manager.tell(.changed(""))
                    try await Task.sleep(for: intervals.relist)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func poll() async throws {
        manager.tell(.changed(""))
        while true {
            manager.tell(.listed(try await list()))
            try await Task.sleep(for: intervals.poll)
        }
    }
}
