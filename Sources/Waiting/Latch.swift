import Synchronization

/// Something that happens once, and that others wait for.
public final class Latch: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [Int: CheckedContinuation<Void, Never>] = [:]
        var next = 0
    }
    private let state = Mutex(State())

    public init() {}

    /// It has happened: everybody goes on, and nobody waits any more.
    public func open() {
        let waiting = state.withLock { state in
            state.isOpen = true
            defer { state.waiting = [:] }
            return state.waiting
        }
        for continuation in waiting.values { continuation.resume() }
    }

    /// Whether it has happened.
    public var isOpen: Bool { state.withLock { $0.isOpen } }

    /// Waits until one of them is open.
    /// - Returns: whether one is; false when the time passed or the task was cancelled first.
    public static func first(of latches: [Latch], atMost limit: Duration) async -> Bool {
        await withTaskGroup(of: Void.self) { group in
            for latch in latches { group.addTask { _ = await latch.wait(atMost: limit) } }
            await group.next()
            group.cancelAll()
        }
        return latches.contains(where: \.isOpen)
    }

    /// - Returns: whether it is open; false when the time passed or the task was cancelled first.
    @discardableResult
    public func wait(atMost limit: Duration) async -> Bool {
        if isOpen { return true }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.wait() }
            group.addTask { do { try await Task.sleep(for: limit) } catch {} }  // ending early is the same as ending
            await group.next()
            group.cancelAll()
        }
        return isOpen
    }

    /// Returns when it is open, or the task was cancelled.
    public func wait() async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.isOpen || Task.isCancelled { return true }
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
