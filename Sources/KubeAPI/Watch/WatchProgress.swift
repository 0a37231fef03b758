import Synchronization

/// How far a watch is, and since when nothing was heard of it.
final class WatchProgress: Sendable {
    private struct State {
        var version: String
        var heard = ContinuousClock.now
        /// What was heard is being worked on: nobody is listening meanwhile.
        var isDelivering = false
    }
    private let state: Mutex<State>

    init(version: String) { state = Mutex(State(version: version)) }

    /// What has been delivered.
    var version: String { state.withLock { $0.version } }

    func heard() { state.withLock { $0.heard = .now } }

    /// Notes what was delivered. An event without a version changes none.
    func reached(_ version: String) {
        if !version.isEmpty { state.withLock { $0.version = version } }
    }

    func delivering(_ work: () async -> Void) async {
        state.withLock { $0.isDelivering = true }
        await work()
        state.withLock {
            $0.isDelivering = false
            $0.heard = .now
        }
    }

    /// Returns when nothing was heard for so long.
    /// - Throws: `CancellationError`.
    func silence(of limit: Duration) async throws {
        while true {
            let quiet = state.withLock { $0.isDelivering ? .zero : $0.heard.duration(to: .now) }
            if quiet >= limit { return }
            try await Task.sleep(for: limit - quiet)
        }
    }
}
