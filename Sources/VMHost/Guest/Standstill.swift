import Synchronization

/// Whether the machine stands still on purpose, or for want of disk: its guest's silence is no sign of death then, nor for
/// a while after.
final class Standstill: Sendable {
    private struct State {
        var isPaused = false
        var isStalled = false
        var ended: ContinuousClock.Instant?
    }
    private let state = Mutex(State())

    /// What a guest may take to catch up.
    private static let grace = Duration.seconds(30)

    /// What the guest may be silent for.
    var isOn: Bool {
        state.withLock { state in
            if state.isPaused || state.isStalled { return true }
            return state.ended.map { ContinuousClock.now < $0 + Self.grace } ?? false
        }
    }

    func set(paused: Bool? = nil, stalled: Bool? = nil) {
        state.withLock { state in
            let was = state.isPaused || state.isStalled
            if let paused { state.isPaused = paused }
            if let stalled { state.isStalled = stalled }
            if was, !state.isPaused, !state.isStalled { state.ended = .now }
        }
    }
}
