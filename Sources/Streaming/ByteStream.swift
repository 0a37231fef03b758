public import NIOCore
import Synchronization

/// Bytes that one side hands over and one other side reads, with a bound on what waits between them.
public final class ByteStream: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer

    private struct State {
        var queue = CircularBuffer<ByteBuffer>()
        var waiting = 0
        var end: Result<Void, any Error>?
        var reader: CheckedContinuation<ByteBuffer?, any Error>?
        var writers: [Int: CheckedContinuation<Void, Never>] = [:]
        var nextWriter = 0
        var isAbandoned = false

        mutating func takeWriters() -> [CheckedContinuation<Void, Never>] {
            defer { writers = [:] }
            return Array(writers.values)
        }
    }

    private let state = Mutex(State())
    private let limit: Int
    private let onConsumed: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - limit: bytes that may wait before ``push(_:)`` suspends.
    ///   - onConsumed: told how many bytes the reader took, or nobody will.
    public init(limit: Int = 256 << 10, onConsumed: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.limit = limit
        self.onConsumed = onConsumed
    }

    deinit {
        let unread = state.withLock { $0.waiting }
        if unread > 0 { onConsumed(unread) }
    }

    // MARK: Writing

    /// Hands over bytes; suspends while too many wait, until the reader catches up or the task is cancelled. After the
    /// end they are dropped.
    public func push(_ bytes: ByteBuffer) async {
        offer(bytes)
        guard isFull else { return }
        let id = state.withLock { state in
            state.nextWriter += 1
            return state.nextWriter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.waiting <= limit || state.end != nil || Task.isCancelled { return true }
                    state.writers[id] = continuation
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.writers.removeValue(forKey: id) }?.resume()
        }
    }

    /// Hands over bytes without waiting.
    func offer(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        let (reader, isTaken) = state.withLock { state -> (CheckedContinuation<ByteBuffer?, any Error>?, Bool) in
            guard state.end == nil, !state.isAbandoned else { return (nil, true) }
            if let reader = state.reader {
                state.reader = nil
                return (reader, true)
            }
            state.queue.append(bytes)
            state.waiting += bytes.readableBytes
            return (nil, false)
        }
        if isTaken { onConsumed(bytes.readableBytes) }
        reader?.resume(returning: bytes)
    }

    /// More waits than should.
    var isFull: Bool { state.withLock { $0.waiting > limit && $0.end == nil } }

    /// Bytes wait that the reader has not taken.
    var hasUnread: Bool { state.withLock { $0.waiting > 0 } }

    /// Nothing more comes; what waits can still be read. The first call counts.
    public func finish(_ error: (any Error)? = nil) {
        let (reader, writers) = state.withLock {
            state -> (CheckedContinuation<ByteBuffer?, any Error>?, [CheckedContinuation<Void, Never>]) in
            guard state.end == nil else { return (nil, []) }
            state.end = error.map { .failure($0) } ?? .success(())
            defer { state.reader = nil }
            return (state.reader, state.takeWriters())
        }
        for writer in writers { writer.resume() }
        guard let reader else { return }
        if let error { reader.resume(throwing: error) } else { reader.resume(returning: nil) }
    }

    /// The reader has gone: what waits and what comes is dropped.
    public func abandon() {
        let (dropped, writers) = state.withLock { state in
            let dropped = state.waiting
            state.isAbandoned = true
            state.queue.removeAll()
            state.waiting = 0
            return (dropped, state.takeWriters())
        }
        if dropped > 0 { onConsumed(dropped) }
        for writer in writers { writer.resume() }
    }

    // MARK: Reading

    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: ByteStream

        /// - Throws: what ``ByteStream/finish(_:)`` was given, after the bytes before it; `CancellationError`.
        public func next() async throws -> ByteBuffer? { try await stream.next() }
    }

    /// One reader at a time.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    private func next() async throws -> ByteBuffer? {
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            return try await withCheckedThrowingContinuation { continuation in
                let (ready, writers) = state.withLock { self.take(&$0, continuation) }
                for writer in writers { writer.resume() }
                guard let ready else { return }
                if case .success(let bytes?) = ready { onConsumed(bytes.readableBytes) }
                continuation.resume(with: ready)
            }
        } onCancel: {
            let reader = state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume(throwing: CancellationError())
        }
    }

    /// - Returns: what can be read at once, and who may write again.
    private func take(
        _ state: inout State, _ continuation: CheckedContinuation<ByteBuffer?, any Error>
    ) -> (Result<ByteBuffer?, any Error>?, [CheckedContinuation<Void, Never>]) {
        if let bytes = state.queue.popFirst() {
            state.waiting -= bytes.readableBytes
            return (.success(bytes), state.waiting <= limit / 2 ? state.takeWriters() : [])
        }
        if let end = state.end { return (end.map { nil }, []) }
        if Task.isCancelled { return (.failure(CancellationError()), []) }
        guard state.reader == nil else {
            return (.failure(StreamingError(.invalidArgument, "two readers wait for the same bytes: let one read")), [])
        }
        state.reader = continuation
        return (nil, [])
    }
}
