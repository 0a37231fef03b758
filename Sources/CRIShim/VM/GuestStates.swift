import Synchronization

/// Which guests can be reached, for those who watch it. A watcher is told that something changed and looks up what: one
/// that reads slowly misses states in between, never the last one.
final class GuestStates: Sendable {
    struct Guest: Sendable, Hashable {
        var sandboxID: String
        var isReachable = false
        var address = ""
        /// When it became so, in nanoseconds since 1970.
        var timestamp: Int64 = 0
    }

    private struct State {
        var guests: [String: Guest] = [:]
        var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    /// By container.
    var all: [String: Guest] { state.withLock { $0.guests } }

    func note(_ container: String, sandbox: String, isReachable: Bool, address: String) {
        change { guests in
            let before = guests[container]
            guard before?.isReachable != isReachable || before?.address != address else { return }
            guests[container] = Guest(
                sandboxID: sandbox, isReachable: isReachable, address: address, timestamp: Timestamps.now())
        }
    }

    /// Its machine has ended.
    func forget(_ container: String) { change { $0[container] = nil } }

    private func change(_ change: (inout [String: Guest]) -> Void) {
        state.withLock { state in
            let before = state.guests
            change(&state.guests)
            guard state.guests != before else { return }
            for watcher in state.watchers.values { watcher.yield() }
        }
    }

    /// Yields after changes, and once at first; end it with ``unwatch(_:)``.
    func watch() -> (id: Int, changes: AsyncStream<Void>) {
        let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        change.yield()
        let id = state.withLock { state in
            state.next += 1
            state.watchers[state.next] = change
            return state.next
        }
        return (id, changes)
    }

    /// Ends every watch: the daemon is going down.
    func endWatches() {
        let all = state.withLock { state in
            defer { state.watchers = [:] }
            return state.watchers
        }
        for watcher in all.values { watcher.finish() }
    }

    func unwatch(_ id: Int) {
        state.withLock { $0.watchers.removeValue(forKey: id) }?.finish()
    }
}
