import Logging

/// What is worth another try, and when.
struct Retries: Sendable {
    let timing: RegistryTiming
    var attempts: Int
    let logger: Logger

    /// Runs `body` until it succeeds, fails for good, or has failed too often.
    func run<Result>(_ body: () async throws -> Result) async throws -> Result {
        var tried = 0
        while true {
            do {
                return try await body()
            } catch {
                tried += 1
                try await wait(after: error, tried: tried)
            }
        }
    }

    /// Waits before the next try.
    /// - Parameter tried: how often, so far.
    /// - Throws: `error` when there is no point in another try.
    func wait(after error: any Error, tried: Int) async throws {
        guard let failure = error as? RegistryError, failure.isWorthRetrying, tried < attempts else { throw error }
        if let pause = failure.retryAfter, pause > timing.longestPause { throw error }
        let pause = max(Self.pause(tried, timing), failure.retryAfter ?? .zero)
        logger.debug("a registry is asked again", metadata: ["error": "\(failure)", "in": "\(pause)"])
        try await Task.sleep(for: pause)
    }

    /// Between half of the present wait and all of it: no two clients come back at once.
    static func pause(_ tried: Int, _ timing: RegistryTiming) -> Duration {
        var wait = timing.firstWait
        for _ in 1..<max(1, min(tried, 32)) { wait = min(wait * 2, timing.longestWait) }
        return wait * Double.random(in: 0.5...1)
    }
}
