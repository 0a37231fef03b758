import Logging
import Synchronization

/// Who waits for which frames of an image, and who fetches them.
final class LazyFetch: Sendable {
    struct Timing: Sendable {
        /// How long a guest's read waits before it becomes an error.
        var patience = Duration.seconds(60)
        /// So long after the last read that had to wait a guest is taken to have started, if nobody says so before.
        var quiet = Duration.seconds(120)
        /// Between tries, at most.
        var longestPause = Duration.seconds(5)
        /// So often what was set aside is tried again.
        var retry = Duration.seconds(30)
        /// So often it is seen whether the image is still wanted, and what has come is brought to disk.
        var sync = Duration.seconds(5)
    }

    private struct Waiter {
        var missing: Set<Int>
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var queue: FetchQueue
        var next = 0
        var waiters: [Int: Waiter] = [:]
        var byFrame: [Int: [Int]] = [:]
        /// What guests have read, in that order, until one of them had started.
        var read: [Int] = []
        var seen: Set<Int> = []
        var isRecorded = false
        /// Bytes, holes left out.
        var served: Int64 = 0
        var lastMiss = ContinuousClock.now
        /// The last one, and how many there were since something came.
        var failure: (any Error)?
        var failures = Failures()
    }

    private let state: Mutex<State>
    private let jobs: AsyncStream<FetchQueue.Job>
    private let order: AsyncStream<FetchQueue.Job>.Continuation
    private let timing: Timing
    /// For messages.
    private let name: String
    private let logger: Logger

    init(_ queue: FetchQueue, name: String, timing: Timing, logger: Logger) {
        state = Mutex(State(queue: queue))
        (jobs, order) = AsyncStream.makeStream()
        self.name = name
        self.timing = timing
        self.logger = logger
        if queue.isWhole { order.finish() }
    }

    var isWhole: Bool { state.withLock { $0.queue.isWhole } }
    func isHere(_ number: Int) -> Bool { state.withLock { $0.queue.isHere(number) } }
    func item(_ number: Int) -> FetchQueue.Item { state.withLock { $0.queue.items[number] } }

    // MARK: Readers

    /// Suspends until these frames are there.
    /// - Throws: `failed` when they do not come; `CancellationError`.
    func need(_ numbers: [Int]) async throws {
        let isMissing = state.withLock { state in
            if !state.isRecorded {
                for number in numbers where state.seen.insert(number).inserted { state.read.append(number) }
            }
            return numbers.contains { !state.queue.isHere($0) }
        }
        guard isMissing else { return }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.wait(numbers) }
            group.addTask { [timing, name] in
                try await Task.sleep(for: timing.patience)
                throw VMImageError(
                    .failed,
                    "what a machine reads of \(name) did not come within \(timing.patience): see whether its registry "
                        + "answers; it is tried on")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func wait(_ numbers: [Int]) async throws {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let isHere = state.withLock { state in
                    let missing = Set(numbers.filter { !state.queue.isHere($0) })
                    guard !missing.isEmpty else { return true }
                    state.waiters[id] = Waiter(missing: missing, continuation: continuation)
                    for number in missing { state.byFrame[number, default: []].append(id) }
                    state.queue.want(missing.sorted())
                    state.lastMiss = .now
                    return false
                }
                if isHere { return continuation.resume() }
                pump()
                if Task.isCancelled { give(id, CancellationError()) }
            }
        } onCancel: {
            give(id, CancellationError())
        }
    }

    private func give(_ id: Int, _ error: any Error) {
        let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
        waiter?.continuation.resume(throwing: error)
    }

    /// Trying on is no use for these: whoever waits is told, and they are set aside.
    private func giveUp(_ numbers: [Int], _ error: any Error) {
        let waiters = state.withLock { state in
            state.failure = error
            // At once, or who came to want one meanwhile would wait for what nobody fetches.
            state.queue.setAside(numbers)
            let missing = numbers.filter { !state.queue.isHere($0) }
            let ids = missing.flatMap { state.byFrame.removeValue(forKey: $0) ?? [] }
            return ids.compactMap { state.waiters.removeValue(forKey: $0) }
        }
        for waiter in waiters { waiter.continuation.resume(throwing: error) }
    }

    // MARK: What is known of guests

    /// Guests have read so much of what is not zeros.
    var served: Int64 { state.withLock { $0.served } }
    func noteServed(_ bytes: Int) { state.withLock { $0.served += Int64(bytes) } }

    /// What a guest has read until now; from now on nothing is added.
    func endRecord() -> [FetchQueue.Item] {
        let items = state.withLock { state in
            state.isRecorded = true
            defer { (state.read, state.seen) = ([], []) }
            return state.read.map { state.queue.items[$0] }
        }
        takeRest()
        return items
    }

    /// From now on everything is fetched.
    func takeRest() {
        state.withLock { $0.queue.takesRest = true }
        pump()
    }

    /// Returns when no guest has had to wait for a while.
    func quiet() async throws {
        while true {
            let last = state.withLock { $0.lastMiss }
            guard last + timing.quiet > .now else { return }
            try await Task.sleep(until: last + timing.quiet, clock: .continuous)
        }
    }

    // MARK: Fetching

    /// Returns when everything is there.
    /// - Parameter fetch: brings what of a job is not there, and calls ``done(_:)`` for each.
    func run(_ fetch: @escaping @Sendable (FetchQueue.Job) async throws -> Void) async throws {
        pump()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.retryLost() }
            for await job in jobs { group.addTask { await self.perform(job, fetch) } }
            // Everything is there, or nobody wants it any more.
            group.cancelAll()
        }
        try Task.checkCancellation()
    }

    /// What keeps the rest from coming and does not pass by itself; nil as long as everything may come.
    var trouble: (any Error)? { state.withLock { $0.queue.hasLost ? $0.failure : nil } }

    private func retryLost() async {
        while true {
            do { try await Task.sleep(for: timing.retry) } catch { return }
            state.withLock { $0.queue.retryLost() }
            pump()
        }
    }

    func done(_ number: Int) {
        let (waiters, isWhole) = state.withLock { state in
            state.queue.done(number)
            state.failures.end()
            var ready: [Waiter] = []
            for id in state.byFrame.removeValue(forKey: number) ?? [] {
                state.waiters[id]?.missing.remove(number)
                if state.waiters[id]?.missing.isEmpty == true, let waiter = state.waiters.removeValue(forKey: id) {
                    ready.append(waiter)
                }
            }
            return (ready, state.queue.isWhole)
        }
        for waiter in waiters { waiter.continuation.resume() }
        if isWhole { order.finish() }
    }

    private func pump() {
        let jobs = state.withLock { state in
            var jobs: [FetchQueue.Job] = []
            while let job = state.queue.next() { jobs.append(job) }
            return jobs
        }
        for job in jobs { order.yield(job) }
    }

    private func perform(
        _ job: FetchQueue.Job, _ fetch: @Sendable (FetchQueue.Job) async throws -> Void
    ) async {
        var job = job
        var pause = Duration.milliseconds(250)
        while !Task.isCancelled {
            do {
                try await fetch(job)
                break
            } catch is CancellationError {
                break
            } catch {
                note(error)
                guard PullRun.isPassing(error) || (error as? VMImageError)?.code == .failed else {
                    giveUp(job.numbers, error)
                    job.numbers = []
                    // What is wrong may be so with everything: what nobody waits for is asked for no faster.
                    if !job.isWanted { do { try await Task.sleep(for: timing.longestPause) } catch { break } }
                    break
                }
                do { try await Task.sleep(for: pause) } catch { break }
                pause = min(pause * 2, timing.longestPause)
            }
        }
        state.withLock { $0.queue.ended(job) }
        pump()
    }

    private func note(_ error: any Error) {
        guard state.withLock({ $0.failures.isWorthSaying() }) else { return }
        logger.warning(
            "what machines run from does not come; it is tried again",
            metadata: ["image": "\(name)", "error": "\(error)"])
    }
}

/// Failures one after the other. The log is told of the first, and of one now and then: it has no limit.
struct Failures: Sendable {
    private var count = 0
    private static let interval = 20

    mutating func isWorthSaying() -> Bool {
        defer { count += 1 }
        return count % Self.interval == 0
    }

    mutating func end() { count = 0 }
}
