/// Answers of somebody else that hold for a while. A question that many ask at once is asked once; what could not be
/// answered is not kept.
actor ReplyCache<Question: Hashable & Sendable, Reply: Sendable> {
    private struct Entry {
        var reply: Reply
        var end: ContinuousClock.Instant
    }

    private let limit: Int
    private let now: @Sendable () -> ContinuousClock.Instant
    private let lifetime: @Sendable (Reply) -> Duration
    private let ask: @Sendable (Question) async throws -> Reply
    private var entries: [Question: Entry] = [:]
    private var asked: [Question: Task<Reply, any Error>] = [:]

    /// - Parameters:
    ///   - limit: answers kept at most.
    ///   - lifetime: how long an answer holds.
    ///   - ask: has a deadline of its own: it goes on when whoever asked first has gone.
    init(
        limit: Int = 2048, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        lifetime: @escaping @Sendable (Reply) -> Duration, ask: @escaping @Sendable (Question) async throws -> Reply
    ) {
        self.limit = limit
        self.now = now
        self.lifetime = lifetime
        self.ask = ask
    }

    func reply(to question: Question) async throws -> Reply {
        if let entry = entries[question] {
            if entry.end > now() { return entry.reply }
            entries[question] = nil
        }
        if let task = asked[question] { return try await task.value }
        let ask = ask
        let task = Task { try await ask(question) }
        asked[question] = task
        defer { asked[question] = nil }
        let reply = try await task.value
        keep(reply, for: question)
        return reply
    }

    /// How many answers are kept.
    var count: Int { entries.count }

    private func keep(_ reply: Reply, for question: Question) {
        let time = now()
        let end = time + lifetime(reply)
        guard end > time else { return }
        if entries.count >= limit {
            entries = entries.filter { $0.value.end > time }
            // Somebody who asks ever new questions does not make this grow.
            if entries.count >= limit, let first = entries.min(by: { $0.value.end < $1.value.end })?.key {
                entries[first] = nil
            }
        }
        entries[question] = Entry(reply: reply, end: end)
    }
}
