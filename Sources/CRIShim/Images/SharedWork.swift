import Synchronization

/// Work that several callers may want at once and that is done once: it goes on as long as somebody waits for it.
final class SharedWork<Key: Hashable & Sendable, Result: Sendable, News: Sendable>: Sendable {
    private struct Job {
        var number: Int
        var task: Task<Result, any Error>
        /// Who waits, and what each is told meanwhile.
        var waiting: [Int: @Sendable (News) -> Void]
        var last: News?
    }

    private struct State {
        var next = 0
        var jobs: [Key: Job] = [:]
    }

    private let state = Mutex(State())

    /// How many work is done for.
    var waiting: Int { state.withLock { $0.jobs.values.reduce(0) { $0 + $1.waiting.count } } }

    /// Joins the work for `key`, or begins it.
    ///
    /// - Parameters:
    ///   - onNews: told what the work tells, and what it told last.
    ///   - work: cancelled when the last who waits is.
    /// - Throws: what the work throws; `CancellationError`.
    func run(
        _ key: Key, onNews: @escaping @Sendable (News) -> Void,
        _ work: @escaping @Sendable (_ tell: @escaping @Sendable (News) -> Void) async throws -> Result
    ) async throws -> Result {
        try Task.checkCancellation()
        let (number, waiter, task, last) = join(key, onNews, work)
        if let last { onNews(last) }
        let (results, continuation) = AsyncThrowingStream.makeStream(of: Result.self)
        Task {
            do {
                continuation.yield(try await task.value)
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
        }
        defer { leave(key, number, waiter) }
        for try await result in results { return result }
        throw CancellationError()
    }

    private func join(
        _ key: Key, _ onNews: @escaping @Sendable (News) -> Void,
        _ work: @escaping @Sendable (@escaping @Sendable (News) -> Void) async throws -> Result
    ) -> (number: Int, waiter: Int, task: Task<Result, any Error>, last: News?) {
        state.withLock { state in
            state.next += 1
            let waiter = state.next
            if var job = state.jobs[key] {
                job.waiting[waiter] = onNews
                state.jobs[key] = job
                return (job.number, waiter, job.task, job.last)
            }
            let task = Task { [self] in try await work { self.tell(key, waiter, $0) } }
            state.jobs[key] = Job(number: waiter, task: task, waiting: [waiter: onNews])
            return (waiter, waiter, task, nil)
        }
    }

    private func tell(_ key: Key, _ number: Int, _ news: News) {
        let listeners = state.withLock { state -> [@Sendable (News) -> Void] in
            guard state.jobs[key]?.number == number else { return [] }
            state.jobs[key]?.last = news
            return state.jobs[key].map { Array($0.waiting.values) } ?? []
        }
        for listener in listeners { listener(news) }
    }

    private func leave(_ key: Key, _ number: Int, _ waiter: Int) {
        let abandoned = state.withLock { state -> Task<Result, any Error>? in
            guard state.jobs[key]?.number == number else { return nil }
            state.jobs[key]?.waiting[waiter] = nil
            guard state.jobs[key]?.waiting.isEmpty == true else { return nil }
            // Whoever comes now begins anew.
            return state.jobs.removeValue(forKey: key)?.task
        }
        abandoned?.cancel()
    }
}
