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
            for line in Diagnostics.recent { print("  \(line)") }
            return
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// What explains a test that waited in vain.
public enum Diagnostics {
    /// A function alone as a task's local value breaks optimized builds (Swift 6.3).
    private struct Source: Sendable {
        var lines: @Sendable () -> [String]
    }
    @TaskLocal private static var source: Source?

    /// The last of what was logged by what the test runs.
    public static var recent: [String] { source?.lines() ?? [] }

    /// Runs a test whose waits show these lines when they are in vain.
    public static func showing<R>(
        _ lines: @escaping @Sendable () -> [String], _ body: () async throws -> R
    ) async throws -> R {
        try await $source.withValue(Source(lines: lines)) { try await body() }
    }
}
