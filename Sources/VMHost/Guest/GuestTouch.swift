import VZEngine

/// When a guest that does not answer is asked again, and when no more.
struct GuestTouch {
    enum Next: Equatable {
        case again(after: Duration)
        case giveUp(String)
    }

    /// Users of a guest may be made after its SSH server listens.
    static let refusalTime = Duration.seconds(20)
    /// Refusals that lie further apart have nothing to do with each other: the guest has booted again in between.
    static let refusalMemory = Duration.seconds(60)

    private let limit: Duration
    private let start = ContinuousClock.now
    private var wasReached = false
    private var pause = Duration.milliseconds(50)
    private var refusals: Refusals?

    /// OpenSSH (from 9.8) hangs up for a while on who has failed to log in a few times, before a word is said: what comes
    /// between two refusals does not mean that the second would not come.
    private struct Refusals {
        let first: ContinuousClock.Instant
        var last: ContinuousClock.Instant
        var reason: String
    }

    /// - Parameter limit: for the first time it is reached.
    init(limit: Duration) { self.limit = limit }

    mutating func succeeded() {
        wasReached = true
        pause = .milliseconds(50)
        refusals = nil
    }

    /// Who was refused before the guest restarted may be let in after that.
    mutating func restarted() { refusals = nil }

    mutating func failed(_ error: any Error, at now: ContinuousClock.Instant) -> Next {
        if let last = refusals?.last, now - last > Self.refusalMemory { refusals = nil }
        if let refusal = error as? GuestRefusal {
            refusals = Refusals(first: refusals?.first ?? now, last: now, reason: refusal.description)
        }
        if !wasReached, now - start > limit {
            return .giveUp("the guest was not reachable within \(limit): \(refusals?.reason ?? "\(error)")")
        }
        if (error as? VZEngineError)?.code == .invalidArgument { return .giveUp("\(error)") }
        if let refusals, refusals.last - refusals.first > Self.refusalTime { return .giveUp(refusals.reason) }
        defer { pause = min(pause * 2, .milliseconds(wasReached ? 2000 : 250)) }
        return .again(after: pause)
    }
}
