import NIOCore
import Synchronization
import VZEngine

/// One source, several followers; a follower that does not keep up is let go, and nobody waits for it.
final class Fanout: Sendable {
    enum Event: Sendable {
        case output(ByteBuffer)
        case errorOutput(ByteBuffer)
        case exited(code: Int32)
        case failed(VZEngineError)

        var isLast: Bool {
            switch self {
            case .output, .errorOutput: false
            case .exited, .failed: true
            }
        }

        fileprivate var size: Int {
            switch self {
            case .output(let bytes), .errorOutput(let bytes): bytes.readableBytes
            case .exited, .failed: 0
            }
        }
    }

    /// Bytes that may wait for one follower.
    private let limit: Int
    private let state = Mutex(State())

    private struct State {
        var followers: [Int: Follower] = [:]
        var next = 0
        var last: Event?
    }

    init(limit: Int = 4 << 20) { self.limit = limit }

    func publish(_ event: Event) {
        state.withLock { state in
            guard state.last == nil else { return }
            if event.isLast { state.last = event }
            for (id, follower) in state.followers {
                if !follower.offer(event, limit: limit) || event.isLast { state.followers[id] = nil }
            }
        }
    }

    /// From now on; a source that has ended says so at once.
    func follow() -> Follower {
        state.withLock { state in
            state.next += 1
            let id = state.next
            let follower = Follower { [weak self] in self?.state.withLock { _ = $0.followers.removeValue(forKey: id) } }
            if let last = state.last {
                _ = follower.offer(last, limit: limit)
            } else {
                state.followers[id] = follower
            }
            return follower
        }
    }

    /// One who follows, until it leaves or falls behind.
    final class Follower: Sendable {
        private let stream: AsyncStream<Event>
        private let continuation: AsyncStream<Event>.Continuation
        private let waiting = Mutex(0)
        private let onLeave: @Sendable () -> Void

        fileprivate init(onLeave: @escaping @Sendable () -> Void) {
            (stream, continuation) = AsyncStream.makeStream()
            self.onLeave = onLeave
        }

        /// Follows no more. To be called by whoever followed.
        func leave() { onLeave() }

        /// - Returns: false when it has fallen too far behind.
        fileprivate func offer(_ event: Event, limit: Int) -> Bool {
            let fits = waiting.withLock { waiting in
                waiting += event.size
                return waiting <= limit
            }
            continuation.yield(
                fits
                    ? event : .failed(VZEngineError(.failed, "the reader did not keep up and was let go: attach again"))
            )
            if !fits || event.isLast { continuation.finish() }
            return fits
        }

        /// One reader. nil after the last event, or when the task is cancelled.
        func next() async -> Event? {
            var iterator = stream.makeAsyncIterator()
            guard let event = await iterator.next() else { return nil }
            waiting.withLock { $0 -= event.size }
            return event
        }
    }
}
