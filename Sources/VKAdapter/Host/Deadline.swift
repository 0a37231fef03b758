import Waiting

extension Duration {
    /// No time that is waited for is longer: whoever means for ever means this.
    static let longest: Duration = .seconds(365 * 86400)

    /// Seconds as somebody wrote them, not negative and no longer than ``longest``.
    static func written(seconds: Int64) -> Duration { min(max(.zero, .seconds(seconds)), longest) }

    /// Whole nanoseconds, as NIO counts.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        return Int64(clamping: Int128(seconds) * 1_000_000_000 + Int128(attoseconds / 1_000_000_000))
    }
}

/// Runs the body and cancels it when the time is over.
/// - Throws: ``AdapterError`` `timedOut` then, whatever the body made of it; else what the body throws.
func withDeadline<Value: Sendable>(
    _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withDeadline(limit, or: AdapterError(.timedOut, what), body)
}
