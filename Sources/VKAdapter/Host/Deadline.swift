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
func withDeadline<R: Sendable>(
    _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
    let result = await withTaskGroup(of: Result<R, any Error>?.self, returning: Result<R, any Error>?.self) { group in
        group.addTask {
            do { return .success(try await body()) } catch { return .failure(error) }
        }
        group.addTask {
            do { try await Task.sleep(for: limit) } catch { return .failure(error) }
            return nil
        }
        let first = await group.next() ?? nil
        group.cancelAll()
        return first
    }
    try Task.checkCancellation()
    guard let result else { throw AdapterError(.timedOut, what) }
    return try result.get()
}
