import Synchronization

/// Those who wait for something to change. They are told that it did, and look up what: one that reads slowly misses states
/// in between, never the last one.
final class Watchers: Sendable {
    private struct State {
        var watchers: [Int: AsyncStream<Void>.Continuation] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    func tell() {
        let all = state.withLock { $0.watchers.values.map(\.self) }
        for watcher in all { watcher.yield() }
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

    func unwatch(_ id: Int) {
        state.withLock { $0.watchers.removeValue(forKey: id) }?.finish()
    }

    /// Ends every watch: the daemon is going down.
    func end() {
        let all = state.withLock { state in
            defer { state.watchers = [:] }
            return state.watchers
        }
        for watcher in all.values { watcher.finish() }
    }
}
