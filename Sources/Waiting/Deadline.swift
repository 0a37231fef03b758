/// Runs `body`, which must end when it is cancelled, for `limit` at most.
///
/// - Parameter overdue: what is thrown when the time is over first, whatever `body` makes of its cancellation.
/// - Throws: what `body` throws, `overdue`, or `CancellationError` when it was the caller who was cancelled.
public func withDeadline<Value: Sendable>(
    _ limit: Duration, or overdue: @autoclosure () -> any Error,
    _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let first = await withTaskGroup(of: Result<Value, any Error>?.self) { group in
        group.addTask {
            do { return .success(try await body()) } catch { return .failure(error) }
        }
        group.addTask {
            do { try await Task.sleep(for: limit) } catch { return .failure(error) }
            return nil
        }
        defer { group.cancelAll() }
        return await group.next() ?? nil
    }
    switch first {
    case .success(let value): return value
    case .failure(let error):
        // Whose cancellation it was decides what is said.
        try Task.checkCancellation()
        throw error
    case nil: throw overdue()
    }
}
