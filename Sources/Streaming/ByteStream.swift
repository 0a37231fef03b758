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
        var writers: [CheckedContinuation<Void, Never>] = []
        var isAbandoned = false
    }

    private let state = Mutex(State())
    private let limit: Int
    private let onConsumed: @Sendable (Int) -> Void

    /// - Parameters:
    ///   - limit: bytes that may wait before ``push(_:)`` suspends.
    ///   - onConsumed: told how many bytes the reader took.
    public init(limit: Int = 256 << 10, onConsumed: @escaping @Sendable (Int) -> Void = { _ in }) {
        self.limit = limit
        self.onConsumed = onConsumed
    }

    /// Hands over bytes; suspends while too many wait. After the end they are dropped.
    public func push(_ bytes: ByteBuffer) async {
        guard bytes.readableBytes > 0 else { return }
        let (reader, mustWait) = state.withLock { state -> (CheckedContinuation<ByteBuffer?, any Error>?, Bool) in
            guard state.end == nil, !state.isAbandoned else { return (nil, false) }
            if let reader = state.reader {
                state.reader = nil
                return (reader, false)
            }
            state.queue.append(bytes)
            state.waiting += bytes.readableBytes
            return (nil, state.waiting > limit)
        }
        if let reader {
            onConsumed(bytes.readableBytes)
            return reader.resume(returning: bytes)
        }
        guard mustWait else { return }
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                if state.waiting <= limit || state.end != nil || state.isAbandoned { return true }
                state.writers.append(continuation)
                return false
            }
            if goesOn { continuation.resume() }
        }
    }

    /// Nothing more comes; what waits can still be read. The first call counts.
    public func finish(_ error: (any Error)? = nil) {
        let (reader, writers) = state.withLock { state -> (CheckedContinuation<ByteBuffer?, any Error>?, [CheckedContinuation<Void, Never>]) in
            guard state.end == nil else { return (nil, []) }
            state.end = error.map { .failure($0) } ?? .success(())
            defer {
                state.reader = nil
                state.writers = []
            }
            return (state.reader, state.writers)
        }
        for writer in writers { writer.resume() }
        guard let reader else { return }
        if let error { reader.resume(throwing: error) } else { reader.resume(returning: nil) }
    }

    /// The reader has gone: what waits and what comes is dropped.
    public func abandon() {
        let writers = state.withLock { state in
            state.isAbandoned = true
            state.queue.removeAll()
            state.waiting = 0
            defer { state.writers = [] }
            return state.writers
        }
        for writer in writers { writer.resume() }
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: ByteStream

        /// - Throws: what ``ByteStream/finish(_:)`` was given, after the bytes before it; `CancellationError`.
        public func next() async throws -> ByteBuffer? { try await stream.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: self) }

    private func next() async throws -> ByteBuffer? {
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            let bytes = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<ByteBuffer?, any Error>) in
                let (ready, writers) = state.withLock { state -> (Result<ByteBuffer?, any Error>?, [CheckedContinuation<Void, Never>]) in
                    if let bytes = state.queue.popFirst() {
                        state.waiting -= bytes.readableBytes
                        guard state.waiting <= limit / 2 else { return (.success(bytes), []) }
                        defer { state.writers = [] }
                        return (.success(bytes), state.writers)
                    }
                    if let end = state.end { return (end.map { nil }, []) }
                    if Task.isCancelled { return (.failure(CancellationError()), []) }
                    state.reader = continuation
                    return (nil, [])
                }
                for writer in writers { writer.resume() }
                guard let ready else { return }
                if case .success(let bytes?) = ready { onConsumed(bytes.readableBytes) }
                continuation.resume(with: ready)
            }
            return bytes
        } onCancel: {
            let reader = state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume(throwing: CancellationError())
        }
    }
}
