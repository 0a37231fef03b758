import Synchronization

/// Runs the work given under one key one after the other, in the order it was given; different keys do not wait for each
/// other. A waiting caller that is cancelled still takes its turn and finds itself cancelled there.
final class KeyedSerial: Sendable {
    private struct State {
        /// Present while somebody holds the key.
        var waiting: [String: [CheckedContinuation<Void, Never>]] = [:]
    }
    private let state = Mutex(State())

    func run<R: Sendable>(_ key: String, _ body: () async throws -> R) async rethrows -> R {
        await acquire(key)
        defer { release(key) }
        return try await body()
    }

    private func acquire(_ key: String) async {
        await withCheckedContinuation { continuation in
            let free = state.withLock { state in
                guard state.waiting[key] != nil else {
                    state.waiting[key] = []
                    return true
                }
                state.waiting[key]!.append(continuation)
                return false
            }
            if free { continuation.resume() }
        }
    }

    private func release(_ key: String) {
        let next: CheckedContinuation<Void, Never>? = state.withLock { state in
            guard let queue = state.waiting[key], !queue.isEmpty else {
                state.waiting[key] = nil
                return nil
            }
            return state.waiting[key]!.removeFirst()
        }
        next?.resume()
    }
}
