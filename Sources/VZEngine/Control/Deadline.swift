/// Runs `body`, which must end when it is cancelled, for `limit` at most.
///
/// - Throws: what `body` throws, or `overdue`.
public func withDeadline<R: Sendable>(
    _ limit: Duration, or overdue: @autoclosure @escaping @Sendable () -> VZEngineError,
    _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
    try await withThrowingTaskGroup(of: R.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            throw overdue()
        }
        defer { group.cancelAll() }
        guard let first = try await group.next() else { throw CancellationError() }
        return first
    }
}
