import Synchronization

/// What arrives on a channel, on its way from the connection's thread to the one task that reads it. Holds little: a full
/// one makes the connection stop reading, which makes the guest stop sending.
final class Inflow<Element: Sendable>: Sendable {
    private struct State {
        var elements: [(element: Element, size: Int)?] = []
        var head = 0
        var size = 0
        var isFull = false
        var isDiscarding = false
        var end: Result<Void, any Error>?
        var waiting: Pending<Element?>?
        var onRoom: (@Sendable () -> Void)?

        mutating func take() -> Element? {
            guard head < elements.count, let (element, count) = elements[head] else { return nil }
            elements[head] = nil
            head += 1
            size -= count
            if head == elements.count {
                elements.removeAll(keepingCapacity: true)
                head = 0
            } else if head > 256 {
                elements.removeFirst(head)
                head = 0
            }
            return element
        }
    }
    private let state = Mutex(State())
    private let limit: Int

    init(limit: Int) { self.limit = limit }

    /// Bytes that wait for the reader, for tests.
    var held: Int { state.withLock { $0.size } }

    /// What to call, on any thread, when there is room again after it was full.
    func onRoom(_ call: @escaping @Sendable () -> Void) {
        state.withLock { $0.onRoom = call }
    }

    /// - Returns: whether more should come now.
    func offer(_ element: Element, size: Int) -> Bool {
        var waiting: Pending<Element?>?
        var goesOn = state.withLock { state in
            guard state.end == nil, !state.isDiscarding else { return true }
            if let one = state.waiting {
                waiting = one
                state.waiting = nil
                return true
            }
            state.elements.append((element, size))
            state.size += size
            state.isFull = state.size >= limit
            return !state.isFull
        }
        // Who waited may have been cancelled meanwhile: then it stays for the next.
        if let waiting, !waiting.finish(.success(element)) { goesOn = offer(element, size: size) }
        return goesOn
    }

    /// No more will come. What is there is still delivered.
    func finish(_ end: Result<Void, any Error> = .success(())) {
        let waiting = state.withLock { state in
            if state.end == nil { state.end = end }
            state.onRoom = nil
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.finish(end.map { nil })
    }

    /// Drops what is there and what will come.
    func discard() {
        let call = state.withLock { state in
            state.isDiscarding = true
            state.elements = []
            state.head = 0
            state.size = 0
            defer { state.isFull = false }
            return state.isFull ? state.onRoom : nil
        }
        call?()
    }

    /// nil at the end. One task at a time. A cancelled task loses nothing: the next one gets it.
    func next() async throws -> Element? {
        try Task.checkCancellation()
        let pending = Pending<Element?>()
        var call: (@Sendable () -> Void)?
        let now: Result<Element?, any Error>? = state.withLock { state in
            if let element = state.take() {
                if state.isFull, state.size <= limit / 2 {
                    state.isFull = false
                    call = state.onRoom
                }
                return .success(element)
            }
            if let end = state.end { return end.map { nil } }
            precondition(state.waiting == nil, "two tasks read one channel")
            state.waiting = pending
            return nil
        }
        call?()
        if let now { return try now.get() }
        do {
            return try await pending.value()
        } catch {
            state.withLock { if $0.waiting === pending { $0.waiting = nil } }
            throw error
        }
    }
}
