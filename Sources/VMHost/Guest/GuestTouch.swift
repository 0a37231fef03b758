import VZEngine

/// When a guest that does not answer is asked again, and when no more.
struct GuestTouch {
    enum Next: Equatable {
        case again(after: Duration)
        case giveUp(String)
    }

    /// Users of a guest may be made after its SSH server listens.
    static let refusalTime = Duration.seconds(20)

    private let limit: Duration
    private let start = ContinuousClock.now
    private var wasReached = false
    private var pause = Duration.milliseconds(50)
    private var refusedSince: ContinuousClock.Instant?

    /// - Parameter limit: for the first time it is reached.
    init(limit: Duration) { self.limit = limit }

    mutating func succeeded() {
        wasReached = true
        pause = .milliseconds(50)
        refusedSince = nil
    }

    mutating func failed(_ error: any Error, at now: ContinuousClock.Instant) -> Next {
        if !wasReached, now - start > limit {
            return .giveUp("the guest was not reachable within \(limit): \(error)")
        }
        if (error as? VZEngineError)?.code == .invalidArgument { return .giveUp("\(error)") }
        if error is GuestRefusal {
            let since = refusedSince ?? now
            refusedSince = since
            if now - since > Self.refusalTime { return .giveUp("\(error)") }
        } else {
            refusedSince = nil
        }
        defer { pause = min(pause * 2, .milliseconds(wasReached ? 2000 : 250)) }
        return .again(after: pause)
    }
}
