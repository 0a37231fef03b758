/// Gives work so much time.
enum Deadline {
    /// - Throws: ``RegistryError`` `unavailable` when the time is over; the work is cancelled then.
    static func run<Result: Sendable>(
        _ time: Duration, _ what: String, _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await Task.sleep(for: time)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else {
                throw RegistryError(.unavailable, "\(what): the answer did not end within \(time)")
            }
            return result
        }
    }
}
