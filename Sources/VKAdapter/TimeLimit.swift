/// Gives work so much time.
enum TimeLimit {
    /// Runs `work`; when the time is over it is cancelled, and `failure` is thrown once it has ended.
    static func run<Result: Sendable>(
        _ time: Duration, _ work: @escaping @Sendable () async throws -> Result,
        orThrow failure: @Sendable () -> any Error
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: time)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else { throw failure() }
            return result
        }
    }
}
