import Synchronization

/// A queue that knows whether everything that was put in has been dealt with: also what its reader has not seen yet.
final class Inbox<Element: Sendable>: Sendable {
    private let stream: AsyncStream<Element>
    private let input: AsyncStream<Element>.Continuation
    private let open = Mutex(0)

    init() { (stream, input) = AsyncStream.makeStream() }

    var isEmpty: Bool { open.withLock { $0 == 0 } }

    func put(_ element: Element) {
        open.withLock { $0 += 1 }
        input.yield(element)
    }

    /// One of those that were read is dealt with, or somebody else counts it from here on.
    func done() { open.withLock { $0 -= 1 } }

    /// For one reader, which says ``done()`` to each.
    var elements: AsyncStream<Element> { stream }
}
