import NIOConcurrencyHelpers

/// Wakes everybody who waits for something to change.
final class Bell: Sendable {
    private struct State {
        var rings = 0
        var next = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    }

    private let state = NIOLockedValueBox(State())

    /// To be read before one looks: a ring after that is not missed.
    var rings: Int { state.withLockedValue { $0.rings } }

    func ring() {
        let waiting = state.withLockedValue { state in
            state.rings += 1
            defer { state.waiting = [:] }
            return state.waiting.values
        }
        for waiter in waiting { waiter.resume() }
    }

    /// Returns once it has rung more often than `rings`.
    /// - Throws: `CancellationError`.
    func wait(after rings: Int) async throws {
        let id = state.withLockedValue { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLockedValue { state in
                    if state.rings > rings || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLockedValue { $0.waiting.removeValue(forKey: id) }?.resume()
        }
        try Task.checkCancellation()
    }
}
