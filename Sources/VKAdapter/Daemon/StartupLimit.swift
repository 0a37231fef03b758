import Sockets

/// Ends an adapter whose runtime does not answer for the first time (`--startup-timeout`).
struct StartupLimit: Sendable {
    let time: Duration
    let runtime: RuntimeInfo
    let endpoint: Endpoint

    /// - Throws: ``AdapterError`` when the time is over and the runtime has not answered.
    func check() async throws {
        do { try await Task.sleep(for: time) } catch { return }
        guard runtime.name.isEmpty else { return }
        throw AdapterError(
            .unavailable,
            "the runtime at \(endpoint) did not answer within \(time): is it running? --startup-timeout 0 waits for it")
    }
}
