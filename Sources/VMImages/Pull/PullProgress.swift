import Synchronization

/// How far a pull or a push is.
public struct PullProgress: Sendable, Hashable {
    /// Bytes that have come from the registry, as they are there.
    public var done: Int64 = 0
    /// How many have to come; what is here already is not among them.
    public var total: Int64 = 0
    /// Bytes of disks that were found here: in other images, or from an earlier try.
    public var reused: Int64 = 0
    /// Bytes per second, over the last seconds.
    public var rate: Double = 0

    public init() {}

    /// nil as long as nothing can be said.
    public var remaining: Duration? {
        guard rate > 0, total >= done else { return nil }
        return .seconds(Double(total - done) / rate)
    }
}

/// Counts what comes, and says how fast.
final class PullMeter: Sendable {
    private struct State {
        var progress = PullProgress()
        var last: ContinuousClock.Instant?
        var counted: Int64 = 0
    }

    private let state = Mutex(State())

    func expect(_ bytes: Int64) { state.withLock { $0.progress.total += bytes } }
    func reuse(_ bytes: Int64) { state.withLock { $0.progress.reused += bytes } }
    /// Bytes that came in vain go back.
    func count(_ bytes: Int64) {
        state.withLock {
            $0.progress.done += bytes
            $0.progress.total = max($0.progress.total, $0.progress.done)
        }
    }

    var done: Int64 { state.withLock { $0.progress.done } }

    /// How it stands; the rate is that since the last calls, old ones counting less and less.
    func read(now: ContinuousClock.Instant = .now) -> PullProgress {
        state.withLock { state in
            if let last = state.last {
                let seconds = (now - last) / .seconds(1)
                guard seconds > 0.05 else { return state.progress }
                let rate = max(0, Double(state.progress.done - state.counted)) / seconds
                let weight = min(1, seconds / 3)
                state.progress.rate =
                    state.progress.rate == 0 ? rate : state.progress.rate * (1 - weight) + rate * weight
            }
            state.last = now
            state.counted = state.progress.done
            return state.progress
        }
    }
}
