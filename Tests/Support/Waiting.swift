public import Testing

/// Waits until `condition` holds; an issue is recorded when it does not within `limit`. On a busy machine it looks often
/// enough all the same: a task that was not let run for a while is no failure.
public func eventually(
    _ what: Comment, within limit: Duration = .seconds(30), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () async throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    var looks = 0
    while try await !condition() {
        looks += 1
        if ContinuousClock.now > end, looks > 200 {
            Issue.record(what, sourceLocation: sourceLocation)
            for line in Diagnostics.recent?() ?? [] { print("  \(line)") }
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// What explains a test that waited in vain.
public enum Diagnostics {
    /// The last of what was logged by what the test runs.
    @TaskLocal public static var recent: (@Sendable () -> [String])?
}
