import NIOConcurrencyHelpers

/// How many requests are under way at once: more as long as that makes a transfer faster.
final class TransferTuner: Sendable {
    private struct State {
        var limit: Int
        var step = 2
        var best: Double = 0
        var since: ContinuousClock.Instant?
        var bytes: Int64 = 0
    }

    private let state: NIOLockedValueBox<State>
    private let range: ClosedRange<Int>
    /// Shorter stretches say little.
    private static let window = Duration.seconds(1)

    init(_ range: ClosedRange<Int>) {
        self.range = range
        state = NIOLockedValueBox(State(limit: min(range.upperBound, max(range.lowerBound, 4))))
    }

    var limit: Int { state.withLockedValue { $0.limit } }

    /// - Parameter total: bytes that have come so far.
    func note(_ total: Int64, now: ContinuousClock.Instant = .now) {
        state.withLockedValue { state in
            guard let since = state.since else {
                (state.since, state.bytes) = (now, total)
                return
            }
            guard now - since >= Self.window else { return }
            let rate = Double(total - state.bytes) / ((now - since) / .seconds(1))
            if rate > state.best * 1.05 {
                state.limit += state.step
            } else if rate < state.best * 0.8 {
                // Too many, or the network has changed: back, and see anew.
                state.limit -= state.step
                state.best *= 0.9
            }
            state.best = max(state.best, rate)
            state.limit = min(range.upperBound, max(range.lowerBound, state.limit))
            (state.since, state.bytes) = (now, total)
        }
    }
}
