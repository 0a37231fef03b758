import NIOCore
import Synchronization

/// One stream of a SPDY connection.
final class SPDYStream: Sendable {
    private enum Output {
        case open
        case closed
        /// Reset by either side, or the connection ended.
        case broken(any Error)
    }

    let id: UInt32
    let headers: SPDYHeaders
    /// What the peer sends on it.
    let inbound: ByteStream
    private weak let session: SPDYSession?
    private let output = Mutex(Output.open)
    private let reply = Outcome<Void>()
    private let broken = Outcome<Void>()

    init(id: UInt32, headers: SPDYHeaders, session: SPDYSession) {
        self.id = id
        self.headers = headers
        self.session = session
        let unreturned = Atomic(0)
        inbound = ByteStream { [weak session] count in session?.consumed(id, count, unreturned) }
    }

    /// Suspends until the system has taken the bytes.
    /// - Throws: when the stream was closed or broke; `CancellationError`.
    func write(_ bytes: ByteBuffer) async throws {
        var rest = bytes
        while rest.readableBytes > 0, let chunk = rest.readSlice(length: min(SPDYEncoder.chunk, rest.readableBytes)) {
            guard let session else { throw StreamingError(.unavailable, "the connection is closed") }
            try output.withLock { output in
                switch output {
                case .open: break
                case .closed: throw StreamingError(.failed, "the stream is closed")
                case .broken(let error): throw error
                }
            }
            try await session.send(.data(stream: id, bytes: chunk, fin: false))
        }
    }

    /// Sends the end of this direction, once.
    func closeOutput() async throws {
        let wasOpen = output.withLock { output in
            guard case .open = output else { return false }
            output = .closed
            return true
        }
        if wasOpen { try await session?.send(.data(stream: id, bytes: ByteBuffer(), fin: true)) }
    }

    /// Ends both directions at once, and says so to the peer.
    func reset() {
        fail(StreamingError(.unavailable, "the stream was reset"))
        inbound.abandon()
        session?.forget(self, resetting: true)
    }

    /// Both directions have ended, or nobody cares for what still comes.
    func forget() {
        inbound.abandon()
        session?.forget(self, resetting: false)
    }

    // MARK: News from the peer

    func notePeerReplied() { reply.resolve(.success(())) }

    /// The peer reset the stream, or the connection ended.
    func fail(_ error: any Error) {
        output.withLock { output in
            if case .broken = output { return }
            output = .broken(error)
        }
        inbound.finish(error)
        reply.resolve(.failure(error))
        broken.resolve(.failure(error))
    }

    /// Returns once the peer has taken a stream we opened.
    func waitForReply() async throws { try await reply.value() }

    /// Suspends until the stream breaks.
    /// - Throws: why it broke; `CancellationError`.
    func waitUntilBroken() async throws { try await broken.value() }
}
