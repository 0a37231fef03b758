import Waiting

/// Runs `work`; when it takes longer than `limit` it is cancelled and `unavailable` thrown.
func withDeadline<Value: Sendable>(
    _ limit: Duration, _ what: String, _ work: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withDeadline(
        limit, or: DockerError(.unavailable, "the Docker Engine did not answer \(what) within \(limit)"), work)
}
