import Synchronization

/// Knows when an API server that was away answers again, and wakes who waits to ask it.
///
/// After a long outage everybody's back-off is long. The first request that is answered ends it for all of them.
final class Recovery: Sendable {
    private struct State {
        /// The last answer, whatever it said.
        var answered: ContinuousClock.Instant
        /// A request has found nobody since.
        var isAway = false
        /// When an outage ended last.
        var recovered: ContinuousClock.Instant?
        var waiting: [Int: AsyncStream<Void>.Continuation] = [:]
        var number = 0
    }

    /// Without an answer for so long, and with a failure since, the server counts as away. One whose answers to others go on
    /// is not: a single request that keeps failing must not be tried without a pause because of them.
    private let patience: Duration
    private let state: Mutex<State>

    init(patience: Duration = .seconds(1)) {
        self.patience = patience
        state = Mutex(State(answered: .now))
    }

    /// The server answered somebody.
    func answered(at now: ContinuousClock.Instant = .now) {
        let woken = state.withLock { state -> [AsyncStream<Void>.Continuation] in
            defer {
                state.answered = now
                state.isAway = false
            }
            guard state.isAway, state.answered.duration(to: now) >= patience else { return [] }
            state.recovered = now
            defer { state.waiting = [:] }
            return Array(state.waiting.values)
        }
        for waiter in woken { waiter.finish() }
    }

    /// A request found nobody.
    func failed() { state.withLock { $0.isAway = true } }

    /// Waits so long before a further try; less when an outage ends meanwhile, or has ended since the try that failed began.
    /// - Throws: `CancellationError`.
    func pause(_ time: Duration, since began: ContinuousClock.Instant) async throws {
        let (stream, waiter) = AsyncStream<Void>.makeStream()
        let number = state.withLock { state -> Int? in
            if let recovered = state.recovered, recovered > began { return nil }
            state.number += 1
            state.waiting[state.number] = waiter
            return state.number
        }
        guard let number else { return try Task.checkCancellation() }
        defer { state.withLock { $0.waiting[number] = nil } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await Task.sleep(for: time) }
            group.addTask { for await _ in stream {} }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }
}
