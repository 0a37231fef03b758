import NIOCore
import Synchronization

/// Frames between a connection's event loop and its one reader, with a bound on what waits.
final class FrameQueue: Sendable {
    private struct State {
        var frames = CircularBuffer<ControlFrame>()
        var bytes = 0
        var end: Result<Void, any Error>?
        var reader: CheckedContinuation<ControlFrame?, any Error>?
        /// The loop stopped reading from the socket.
        var isPaused = false
    }

    private static let limit = 512 << 10
    private let state = Mutex(State())
    /// Lets the loop read on.
    private let onRoom: @Sendable () -> Void

    init(onRoom: @escaping @Sendable () -> Void) { self.onRoom = onRoom }

    func offer(_ frame: ControlFrame) {
        let reader = state.withLock { state -> CheckedContinuation<ControlFrame?, any Error>? in
            guard state.end == nil else { return nil }
            if let reader = state.reader {
                state.reader = nil
                return reader
            }
            state.frames.append(frame)
            state.bytes += Self.weight(frame)
            return nil
        }
        reader?.resume(returning: frame)
    }

    /// Whether the loop may read from the socket now; when not, `onRoom` is called later.
    func hasRoom() -> Bool {
        state.withLock { state in
            state.isPaused = state.bytes > Self.limit
            return !state.isPaused
        }
    }

    func finish(_ error: (any Error)? = nil) {
        let reader = state.withLock { state -> CheckedContinuation<ControlFrame?, any Error>? in
            guard state.end == nil else { return nil }
            state.end = error.map { .failure($0) } ?? .success(())
            defer { state.reader = nil }
            return state.reader
        }
        if let error { reader?.resume(throwing: error) } else { reader?.resume(returning: nil) }
    }

    /// The next frame; nil at the end of the connection. One reader at a time.
    /// - Throws: what broke the connection; `CancellationError`.
    func next() async throws -> ControlFrame? {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let (ready, wakes) = state.withLock { state in take(&state, continuation) }
                if wakes { onRoom() }
                if let ready { continuation.resume(with: ready) }
            }
        } onCancel: {
            let reader = state.withLock { state in
                defer { state.reader = nil }
                return state.reader
            }
            reader?.resume(throwing: CancellationError())
        }
    }

    /// - Returns: what can be read at once, and whether the loop is to go on.
    private func take(
        _ state: inout State, _ continuation: CheckedContinuation<ControlFrame?, any Error>
    ) -> (Result<ControlFrame?, any Error>?, Bool) {
        if let frame = state.frames.popFirst() {
            state.bytes -= Self.weight(frame)
            let wakes = state.isPaused && state.bytes <= Self.limit / 2
            if wakes { state.isPaused = false }
            return (.success(frame), wakes)
        }
        if let end = state.end { return (end.map { nil }, false) }
        if Task.isCancelled { return (.failure(CancellationError()), false) }
        precondition(state.reader == nil, "two readers of one control connection")
        state.reader = continuation
        return (nil, false)
    }

    private static func weight(_ frame: ControlFrame) -> Int { frame.payload.readableBytes + 64 }
}
