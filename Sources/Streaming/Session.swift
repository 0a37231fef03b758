import NIOCore

/// One stream of a session: what the peer sends, and what is sent to it.
protocol SessionStream: AnyObject, Sendable {
    /// What the peer sends on it.
    var inbound: ByteStream { get }
    /// Suspends until the system has taken the bytes.
    /// - Throws: when the stream was closed or broke; `CancellationError`.
    func write(_ bytes: ByteBuffer) async throws
    /// Ends this direction, once.
    func closeOutput() async throws
    /// Ends both directions at once, and says so to the peer.
    func reset()
    /// Both directions have ended, or nobody cares for what still comes.
    func forget()
    /// Suspends until the stream breaks.
    /// - Throws: why it broke; `CancellationError`.
    func waitUntilBroken() async throws
}

/// The streams of one exec or attach.
struct CommandStreams: Sendable {
    var error: any SessionStream
    var stdin, stdout, stderr, resize: (any SessionStream)?
}

/// A connection that carries the streams of one exec or attach.
protocol CommandSession: Sendable {
    /// Reads until the connection ends. Every stream ends with it.
    func run() async
    /// The streams the options call for; nil when the caller does not open them within `limit`.
    func streams(for options: RemoteCommandOptions, version: Int, within limit: Duration) async -> CommandStreams?
    /// From now on the peer's new streams are refused.
    func acceptNoMore()
    /// Says goodbye, sends what is queued, and gives the peer time to take it.
    func close(within limit: Duration) async
    /// Closes at once; what is queued is lost.
    func abort() async
    /// Returns when no stream carried anything for `limit`, or when cancelled.
    func waitForSilence(_ limit: Duration) async
}

/// The bytes of a connection, whatever carries them.
protocol ByteTransport: Sendable {
    var eventLoop: any EventLoop { get }
    /// What the peer sends, until it closes its half. It is read once.
    var received: any AsyncSequence<ByteBuffer, any Error> & Sendable { get }
    /// Queues the bytes in the order of the calls. The future completes when the system has taken them.
    func send(_ bytes: ByteBuffer) -> EventLoopFuture<Void>
    /// Says that no more bytes will come.
    func closeOutput() async throws
    func close() async
    /// Ends when the connection does.
    func waitForClose() async
}
