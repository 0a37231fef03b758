/// Runs `work`; when it takes longer than `limit` it is cancelled and `unavailable` thrown.
func withDeadline<R: Sendable>(
    _ limit: Duration, _ what: String, _ work: @escaping @Sendable () async throws -> R
) async throws -> R {
    try await withThrowingTaskGroup(of: R.self) { group in
        group.addTask(operation: work)
        group.addTask {
            try await Task.sleep(for: limit)
            throw DockerError(.unavailable, "the Docker Engine did not answer \(what) within \(limit)")
        }
        defer { group.cancelAll() }
        do {
            return try await group.next()!
        } catch {
            // Whose cancellation it was decides what is reported.
            try Task.checkCancellation()
            throw error
        }
    }
}
