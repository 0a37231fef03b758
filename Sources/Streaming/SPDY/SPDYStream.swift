import NIOCore
import Synchronization

/// One stream of a SPDY connection.
final class SPDYStream: Sendable {
    let id: UInt32
    let headers: SPDYHeaders
    /// What the peer sends on it.
    let inbound: ByteStream
    private weak let session: SPDYSession?
    private let broken = Gate()
    private let isOutputClosed = Mutex(false)
    private let replied = Mutex<(isReplied: Bool, waiting: CheckedContinuation<Void, any Error>?, error: (any Error)?)>((false, nil, nil))

    init(id: UInt32, headers: SPDYHeaders, session: SPDYSession) {
        self.id = id
        self.headers = headers
        self.session = session
        inbound = ByteStream { [weak session] count in session?.giveBack(id, count) }
    }

    /// Suspends until the system has taken the bytes.
    func write(_ bytes: ByteBuffer) async throws {
        guard let session, !isOutputClosed.withLock({ $0 }) else { throw StreamingError(.failed, "the stream is closed") }
        var rest = bytes
        while let chunk = rest.readSlice(length: min(SPDYEncoder.chunk, rest.readableBytes)), chunk.readableBytes > 0 {
            try await session.send(.data(stream: id, bytes: chunk, fin: false))
        }
    }

    /// Sends the end of this direction, once.
    func closeOutput() async throws {
        let isFirst = isOutputClosed.withLock { closed in
            defer { closed = true }
            return !closed
        }
        if isFirst { try await session?.send(.data(stream: id, bytes: ByteBuffer(), fin: true)) }
    }

    /// Ends both directions at once.
    func reset() {
        isOutputClosed.withLock { $0 = true }
        inbound.finish()
        session?.forget(self, resetting: true)
    }

    /// Suspends until the stream is broken off by the peer or the connection ends.
    func waitForConnectionEnd() async { await broken.wait() }

    // MARK: The reply to a stream we opened

    func notePeerReplied() {
        let waiting = replied.withLock { state in
            state.isReplied = true
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume()
    }

    func fail(_ error: any Error) {
        inbound.finish(error)
        broken.open()
        let waiting = replied.withLock { state in
            state.error = error
            defer { state.waiting = nil }
            return state.waiting
        }
        waiting?.resume(throwing: error)
    }

    func waitForReply() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let known: Result<Void, any Error>? = replied.withLock { state in
                if let error = state.error { return .failure(error) }
                if state.isReplied { return .success(()) }
                state.waiting = continuation
                return nil
            }
            if let known { continuation.resume(with: known) }
        }
    }
}
