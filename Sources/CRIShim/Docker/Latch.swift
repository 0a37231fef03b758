import Synchronization

/// Opens once and stays open; tasks wait for it with a limit.
final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Waits until one of them is open.
    /// - Returns: whether one is; false when the time passed or the task was cancelled first.
    static func first(of latches: [Latch], atMost limit: Duration) async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            for latch in latches { group.addTask { _ = await latch.wait(atMost: limit) } }
            await group.next()
            group.cancelAll()
        }
        return latches.contains(where: \.isOpen)
    }

    /// - Returns: whether it is open; false when the time passed or the task was cancelled first.
    func wait(atMost limit: Duration) async -> Bool {
        if state.withLock({ $0.isOpen }) { return true }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask { try? await Task.sleep(for: limit) }  // ending early is the same as ending
            await group.next()
            group.cancelAll()
        }
        return state.withLock { $0.isOpen }
    }

    private func wait() async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resume = state.withLock { state in
                    if state.isOpen || Task.isCancelled { return true }
                    state.waiting[id] = continuation
                    return false
                }
                if resume { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume()
        }
    }
}
