/// Something that happens once, and that others wait for.
public final class Latch: Sendable {
    private let bell = Bell()

    public init() {}

    /// It has happened: everybody goes on, and nobody waits any more.
    public func open() { bell.ring() }

    /// Whether it has happened.
    public var isOpen: Bool { bell.rings > 0 }

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
    public func wait() async { await bell.wait(after: 0) }
}
