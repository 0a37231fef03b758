import NIOCore
import Synchronization

/// A SPDY/3.1 connection: many streams over one connection.
///
/// Kubernetes' own implementation (moby/spdystream) neither sends nor heeds flow-control windows, so nothing here waits
/// for one: TCP holds back who is too fast. Windows are given back all the same, for peers that do heed them.
final class SPDYSession: Sendable {
    enum Role { case server, client }

    /// Of all streams together, bytes that may wait for their readers before reading stops.
    static let inboundLimit = 4 << 20
    /// Answers the peer caused that may wait to be sent before reading stops.
    static let answerLimit = 256
    /// Bytes read before their window is given back: half of the window that SPDY/3.1 starts with.
    static let windowStep = 32 << 10

    struct State {
        var streams: [UInt32: SPDYStream] = [:]
        var nextID: UInt32
        var lastPeerID: UInt32 = 0
        var accepts: Bool
        var isClosing = false
        /// The peer broke the protocol: after the GOAWAY that says so nothing more is sent.
        var isBroken = false
        /// The connection has closed.
        var isGone = false
        var hasEnded = false
        var lastActivity = ContinuousClock.now
    }

    /// Streams that the peer opened, each with its SYN_REPLY sent.
    let incoming: AsyncStream<SPDYStream>
    let incomingIn: AsyncStream<SPDYStream>.Continuation
    let connection: any ByteTransport
    let role: Role
    let state: Mutex<State>
    let streamLimit: Int
    let unread = Atomic(0)
    let unansweredFrames = Atomic(0)
    private let unreturned = Atomic(0)
    private let encoder = Mutex(SPDYEncoder())
    private let keepAlive: Duration
    let wakeups: AsyncStream<Void>
    let wakeUp: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - streamLimit: streams of the peer that may be open at once.
    ///   - keepAlive: between pings, which find out that a peer has vanished.
    init(_ connection: any ByteTransport, role: Role, streamLimit: Int = 2048, keepAlive: Duration = .seconds(15)) {
        self.connection = connection
        self.role = role
        self.streamLimit = streamLimit
        self.keepAlive = keepAlive
        state = Mutex(State(nextID: role == .client ? 1 : 2, accepts: role == .server))
        (incoming, incomingIn) = AsyncStream.makeStream()
        (wakeups, wakeUp) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Reads until the connection ends. Every stream ends with it.
    func run() async {
        // Lives as long as the connection, which its owner closes: it cannot be a child of what ends before.
        Task { [connection, weak self] in
            await connection.waitForClose()
            self?.noteClosed()
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.ping() }
            await read()
            group.cancelAll()
        }
    }

    /// There is nobody left to hold back: what came before can still be read, and then reading ends.
    private func noteClosed() {
        state.withLock { $0.isGone = true }
        wakeUp.yield()
    }

    /// A peer that has gone answers a ping with a reset, which closes our side even while we are not reading.
    private func ping() async {
        var id: UInt32 = role == .client ? 1 : 2
        do {
            while true {
                try await Task.sleep(for: keepAlive)
                try await send(.ping(id: id))
                id = id &+ 2
            }
        } catch {
            // Cancelled with the session, or the connection is gone, which is noticed elsewhere.
        }
    }

    // MARK: Sending

    /// Sends one frame; suspends until the system has taken it.
    /// - Throws: when the connection is gone; `CancellationError` (the frame may leave all the same).
    func send(_ frame: SPDYFrame) async throws {
        let outcome = Outcome<Void>()
        enqueue(frame).whenComplete { outcome.resolve($0) }
        try await outcome.value()
    }

    /// Frames leave in the order they are encoded: header compression depends on it.
    func enqueue(_ frames: SPDYFrame...) -> EventLoopFuture<Void> {
        encoder.withLock { encoder in
            guard !state.withLock({ $0.isBroken }) else { return connection.eventLoop.makeFailedFuture(Self.broken) }
            return connection.send(encode(frames, with: &encoder))
        }
    }

    /// Tells the peer that it broke the protocol: the last frame, whatever streams still have to say.
    func sendProtocolError() {
        encoder.withLock { encoder in
            let last = state.withLock { state in
                state.isBroken = true
                return state.lastPeerID
            }
            let farewell = SPDYFrame.goAway(lastStream: last, status: SPDYNumbers.goAwayProtocolError)
            _ = connection.send(encode([farewell], with: &encoder))
        }
    }

    private func encode(_ frames: [SPDYFrame], with encoder: inout SPDYEncoder) -> ByteBuffer {
        var bytes = ByteBuffer()
        for frame in frames {
            if frame.isActivity { touch() }
            encoder.encode(frame, into: &bytes)
        }
        return bytes
    }

    private static let broken = StreamingError(.unavailable, "the connection is closed: the peer broke the protocol")

    /// Opens a stream and waits until the peer has taken it.
    /// - Throws: `StreamingError`, also when it does not within 30 seconds; `CancellationError`.
    func open(_ headers: SPDYHeaders) async throws -> SPDYStream {
        // The numbers of streams must rise on the wire: chosen and encoded in one go.
        let stream = try encoder.withLock { encoder in
            let stream = try state.withLock { state in
                guard !state.hasEnded, !state.isClosing else {
                    throw StreamingError(.unavailable, "the connection is closed: connect again")
                }
                let stream = SPDYStream(id: state.nextID, headers: headers, session: self)
                state.streams[stream.id] = stream
                state.nextID += 2
                return stream
            }
            var bytes = ByteBuffer()
            encoder.encode(.synStream(stream: stream.id, headers: headers, fin: false), into: &bytes)
            connection.send(bytes).whenFailure { stream.fail($0) }
            return stream
        }
        touch()
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await stream.waitForReply() }
                group.addTask {
                    try await Task.sleep(for: .seconds(30))
                    throw StreamingError(.unavailable, "the peer did not accept a stream within 30 s")
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch {
            stream.reset()
            throw error
        }
        return stream
    }

    /// The reader of a stream took bytes: those not yet read are fewer, and the peer may send more.
    func consumed(_ stream: UInt32, _ count: Int, _ unreturnedOfStream: borrowing Atomic<Int>) {
        unread.subtract(count, ordering: .relaxed)
        wakeUp.yield()
        guard !state.withLock({ $0.isClosing || $0.hasEnded }) else { return }
        if let delta = Self.due(unreturnedOfStream, count) { _ = enqueue(.windowUpdate(stream: stream, delta: delta)) }
        returnWindow(count)
    }

    /// Gives back the connection's own window.
    func returnWindow(_ count: Int) {
        if let delta = Self.due(unreturned, count) { _ = enqueue(.windowUpdate(stream: 0, delta: delta)) }
    }

    private static func due(_ counter: borrowing Atomic<Int>, _ count: Int) -> UInt32? {
        guard counter.add(count, ordering: .relaxed).newValue >= windowStep else { return nil }
        let delta = counter.exchange(0, ordering: .relaxed)
        return delta > 0 ? UInt32(clamping: delta) : nil
    }

    func forget(_ stream: SPDYStream, resetting: Bool) {
        let isOpen = state.withLock {
            $0.streams.removeValue(forKey: stream.id) != nil && !$0.isClosing && !$0.hasEnded
        }
        if isOpen, resetting { _ = enqueue(.rstStream(stream: stream.id, status: SPDYNumbers.cancel)) }
        wakeUp.yield()
    }

    // MARK: The end

    /// From now on the peer's new streams are refused.
    func acceptNoMore() { state.withLock { $0.accepts = false } }

    /// Says goodbye, sends what is queued, and gives the peer time to take it and to close first: closing over its
    /// unread bytes would make the system throw ours away.
    func close(within limit: Duration = .seconds(10)) async {
        let (streams, last) = state.withLock { state in
            state.isClosing = true
            return (Array(state.streams.values), state.lastPeerID)
        }
        // What the peer still sends is read and dropped.
        for stream in streams { stream.inbound.abandon() }
        wakeUp.yield()
        _ = enqueue(.goAway(lastStream: last))
        await withTaskGroup(of: Void.self) { [connection] group in
            group.addTask {
                // Fails only when the connection has closed already.
                do { try await connection.closeOutput() } catch {}
                await connection.waitForClose()
            }
            group.addTask { do { try await Task.sleep(for: limit) } catch {} }
            await group.next()
            group.cancelAll()
            await connection.close()
        }
    }

    /// Closes at once; what is queued is lost.
    func abort() async {
        state.withLock { $0.isClosing = true }
        await connection.close()
    }

    var openStreams: Int { state.withLock { $0.streams.count } }

    func touch() { state.withLock { $0.lastActivity = .now } }

    /// Returns when no stream carried anything for `limit`, or when cancelled. Pings do not count.
    func waitForSilence(_ limit: Duration) async {
        while !Task.isCancelled {
            let left = limit - (ContinuousClock.now - state.withLock { $0.lastActivity })
            if left <= .zero { return }
            do { try await Task.sleep(for: left) } catch { return }
        }
    }
}
