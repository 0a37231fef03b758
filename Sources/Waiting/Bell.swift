import Synchronization

/// Something that happens again and again, and that others wait for.
public final class Bell: Sendable {
    private struct State {
        var rings = 0
        var next = 0
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
    }
    private let state = Mutex(State())

    public init() {}

    /// How often it has rung. To be read before one looks at what may have changed: a ring after that is not missed.
    public var rings: Int { state.withLock { $0.rings } }

    /// Wakes everybody who waits.
    public func ring() {
        let waiting = state.withLock { state in
            state.rings += 1
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// Returns once it has rung more often than `rings`, or the task was cancelled.
    public func wait(after rings: Int) async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.rings > rings || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }
}
