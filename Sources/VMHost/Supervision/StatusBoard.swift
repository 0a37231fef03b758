import Synchronization
import VZEngine
import Waiting

/// What the supervisor knows of its machine, for everybody who asks or waits.
final class StatusBoard: Sendable {
    private struct State {
        var status = MachineStatus(phase: .starting)
        var givenUp: String?
        /// How often the guest has restarted, and how many of these it has been set up after.
        var restarts = 0
        var preparedRestarts = 0
        var watchers: [Int: AsyncStream<MachineStatus>.Continuation] = [:]
        var nextWatcher = 0

        /// - Returns: who has heard the last there is, to be told so without the lock.
        mutating func tell() -> [AsyncStream<MachineStatus>.Continuation] {
            for watcher in watchers.values { watcher.yield(status) }
            guard status.phase == .exited else { return [] }
            defer { watchers = [:] }
            return Array(watchers.values)
        }
    }

    private let state = Mutex(State())

    var status: MachineStatus { state.withLock { $0.status } }

    /// Why the guest is not waited for any more.
    var givenUp: String? { state.withLock { $0.givenUp } }

    /// Changes what is known; who watches hears of it when it is something new.
    func update(_ change: (inout MachineStatus) -> Void) {
        let done = state.withLock { state in
            let before = state.status
            change(&state.status)
            return state.status == before ? [] : state.tell()
        }
        for watcher in done { watcher.finish() }
    }

    /// What was done in the guest is undone: nobody is let in until it has been done again.
    func guestRestarts() {
        state.withLock { $0.restarts += 1 }
        update { $0.isReachable = false }
    }

    var restarts: Int { state.withLock { $0.restarts } }

    /// - Parameter restarts: what ``restarts`` was before the guest was entered.
    func guestIsPrepared(after restarts: Int) {
        let isNews = state.withLock { state in
            state.preparedRestarts = max(state.preparedRestarts, restarts)
            return state.restarts == restarts
        }
        guard isNews else { return }
        update { status in
            status.isReachable = true
            status.wasReachable = true
        }
    }

    /// The guest has been reached, and set up since it booted last.
    private var isPrepared: Bool {
        state.withLock { $0.status.wasReachable && $0.preparedRestarts == $0.restarts }
    }

    func giveUp(_ reason: String) {
        let done = state.withLock { state in
            state.givenUp = reason
            return state.tell()
        }
        for watcher in done { watcher.finish() }
    }

    /// The present, then every change. Ends after ``MachinePhase/exited``. A watcher that does not keep up misses the oldest
    /// of 64.
    func statuses() -> AsyncStream<MachineStatus> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: MachineStatus.self, bufferingPolicy: .bufferingNewest(64))
        let id = state.withLock { state -> Int? in
            continuation.yield(state.status)
            guard state.status.phase != .exited else { return nil }
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = continuation
            return state.nextWatcher
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            // Not here: whoever cancels a task holds it, and who tells of a change wakes that task with the lock held.
            Task { self?.forget(id) }
        }
        return stream
    }

    private func forget(_ id: Int) { state.withLock { _ = $0.watchers.removeValue(forKey: id) } }

    /// Suspends until the container has ended.
    /// - Throws: `CancellationError`.
    func waitForExit() async throws {
        for await status in statuses() where status.phase == .exited { return }
        try Task.checkCancellation()
    }

    /// Suspends until the guest has been reached and set up, since it restarted last.
    /// - Throws: `VZEngineError` with `guestBooting` after `limit` (`deadline` when it restarts), or `guestUnreachable` when it
    ///   never will be.
    func waitForGuest(atMost limit: Duration) async throws {
        if isPrepared { return }
        let booting =
            status.wasReachable
            ? VZEngineError(.deadline, "the guest restarts, and was not reachable again within \(limit)")
            : VZEngineError(.guestBooting, "GuestBooting: the guest was not reachable within \(limit) and still boots")
        try await withDeadline(limit, or: booting) { [self] in
            for await status in statuses() {
                if isPrepared { return }
                if let givenUp { throw VZEngineError(.guestUnreachable, givenUp) }
                if status.phase == .stopping || status.phase == .exited {
                    throw VZEngineError(.guestUnreachable, "the machine ended before its guest was reachable")
                }
            }
            try Task.checkCancellation()
        }
    }

    /// Suspends while the guest does not answer, or is being set up again.
    /// - Throws: `VZEngineError` with `guestUnreachable` when it never will; `CancellationError`.
    func waitUntilReachable() async throws {
        for await status in statuses() {
            if status.isReachable { return }
            if let givenUp { throw VZEngineError(.guestUnreachable, givenUp) }
        }
        try Task.checkCancellation()
        throw VZEngineError(.guestUnreachable, "the machine has ended")
    }
}
