import HTTP
import NIOCore
import Synchronization

/// A SPDY/3.1 connection: many streams over one upgraded connection.
///
/// Kubernetes' own implementation (moby/spdystream) neither sends nor heeds flow-control windows, so nothing here waits
/// for one: TCP holds back who is too fast. Windows are given back all the same, for peers that do heed them.
final class SPDYSession: Sendable {
    enum Role { case server, client }

    private struct State {
        var streams: [UInt32: SPDYStream] = [:]
        var nextID: UInt32
        var lastPeerID: UInt32 = 0
        var isClosed = false
        var lastActivity = ContinuousClock.now
    }

    /// Streams that the peer opened, each with its SYN_REPLY sent.
    let incoming: AsyncStream<SPDYStream>
    private let incomingIn: AsyncStream<SPDYStream>.Continuation
    private let connection: RawConnection
    private let role: Role
    private let state: Mutex<State>
    private let encoder = Mutex(SPDYEncoder())
    private let streamLimit = 4096

    init(_ connection: RawConnection, role: Role) {
        self.connection = connection
        self.role = role
        state = Mutex(State(nextID: role == .client ? 1 : 2))
        (incoming, incomingIn) = AsyncStream.makeStream()
    }

    // MARK: Sending

    /// Sends one frame; suspends until the system has taken it.
    func send(_ frame: SPDYFrame) async throws { try await enqueue(frame).get() }

    /// Frames leave in the order they are encoded: header compression depends on it.
    private func enqueue(_ frame: SPDYFrame) -> EventLoopFuture<Void> {
        state.withLock { $0.lastActivity = .now }
        return encoder.withLock { encoder in
            var bytes = ByteBuffer()
            encoder.encode(frame, into: &bytes)
            return connection.send(bytes)
        }
    }

    /// Opens a stream and waits until the peer has taken it.
    /// - Throws: `StreamingError`, also when it does not within 30 seconds.
    func open(_ headers: SPDYHeaders, fin: Bool = false) async throws -> SPDYStream {
        let sent = try encoder.withLock { encoder in
            let stream = try state.withLock { state in
                guard !state.isClosed else { throw StreamingError(.unavailable, "the connection is closed") }
                let stream = SPDYStream(id: state.nextID, headers: headers, session: self)
                state.streams[stream.id] = stream
                state.nextID += 2
                return stream
            }
            var bytes = ByteBuffer()
            encoder.encode(.synStream(stream: stream.id, headers: headers, fin: fin), into: &bytes)
            return (stream: stream, sent: connection.send(bytes))
        }
        try await sent.sent.get()
        let overdue = Task {
            try await Task.sleep(for: .seconds(30))
            sent.stream.fail(StreamingError(.unavailable, "the peer did not accept a stream within 30 s"))
        }
        defer { overdue.cancel() }
        try await sent.stream.waitForReply()
        return sent.stream
    }

    /// Gives the peer window for what was read.
    func giveBack(_ stream: UInt32, _ count: Int) {
        guard !state.withLock({ $0.isClosed }) else { return }
        _ = enqueue(.windowUpdate(stream: stream, delta: UInt32(count)))
        _ = enqueue(.windowUpdate(stream: 0, delta: UInt32(count)))
    }

    func forget(_ stream: SPDYStream, resetting: Bool) {
        let known = state.withLock { $0.streams.removeValue(forKey: stream.id) != nil && !$0.isClosed }
        if known, resetting { _ = enqueue(.rstStream(stream: stream.id, status: SPDYNumbers.cancel)) }
    }

    // MARK: Receiving

    /// Reads until the connection ends. Every stream ends with it.
    func run() async {
        var decoder = SPDYDecoder()
        var failure: any Error = StreamingError(.unavailable, "the connection was closed")
        do {
            for try await bytes in connection.inbound {
                state.withLock { $0.lastActivity = .now }
                decoder.append(bytes)
                while let frame = try decoder.next() { try await handle(frame) }
            }
        } catch {
            failure = error
            if error is SPDYProtocolError { _ = try? await send(.goAway(lastStream: state.withLock { $0.lastPeerID })) }
        }
        let streams = state.withLock { state in
            state.isClosed = true
            defer { state.streams = [:] }
            return state.streams.values.map { $0 }
        }
        for stream in streams { stream.fail(failure) }
        incomingIn.finish()
    }

    private func handle(_ frame: SPDYFrame) async throws {
        switch frame {
        case .synStream(let id, let headers, let fin): try await accept(id, headers, fin)
        case .synReply(let id, _, let fin):
            guard let stream = state.withLock({ $0.streams[id] }) else { return }
            stream.notePeerReplied()
            if fin { stream.inbound.finish() }
        case .data(let id, let bytes, let fin):
            guard let stream = state.withLock({ $0.streams[id] }) else {
                if bytes.readableBytes > 0 { giveBack(0, bytes.readableBytes) }
                return
            }
            await stream.inbound.push(bytes)
            if fin { stream.inbound.finish() }
        case .headers(let id, let fin):
            if fin { state.withLock { $0.streams[id] }?.inbound.finish() }
        case .rstStream(let id, let status):
            state.withLock { $0.streams.removeValue(forKey: id) }?.fail(
                StreamingError(.unavailable, "the peer reset the stream (status \(status))"))
        case .ping(let id):
            // Our own come back; only the peer's are answered. Clients count in odd numbers, servers in even ones.
            if (id % 2 == 1) == (role == .server) { _ = enqueue(.ping(id: id)) }
        case .goAway, .windowUpdate, .ignored: break
        }
    }

    private func accept(_ id: UInt32, _ headers: SPDYHeaders, _ fin: Bool) async throws {
        let stream: SPDYStream? = try state.withLock { state in
            guard id % 2 == (role == .server ? 1 : 0), id > state.lastPeerID else {
                throw SPDYProtocolError(description: "a stream with the number \(id) was opened out of order")
            }
            state.lastPeerID = id
            guard role == .server, state.streams.count < streamLimit else { return nil }
            let stream = SPDYStream(id: id, headers: headers, session: self)
            state.streams[id] = stream
            return stream
        }
        guard let stream else {
            _ = enqueue(.rstStream(stream: id, status: SPDYNumbers.refusedStream))
            return
        }
        _ = enqueue(.synReply(stream: id, headers: SPDYHeaders(), fin: false))
        if fin { stream.inbound.finish() }
        incomingIn.yield(stream)
    }

    // MARK: The end

    /// Says goodbye, sends what is queued, and gives the peer a moment to close first: closing over its unread bytes
    /// would make the system throw ours away.
    func close() async {
        _ = try? await send(.goAway(lastStream: state.withLock { $0.lastPeerID }))
        try? await connection.closeOutput()
        let (connection) = connection
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await connection.waitForClose() }
            group.addTask { try? await Task.sleep(for: .seconds(2)) }
            await group.next()
            group.cancelAll()
            await connection.close()
        }
    }

    /// Returns when nothing was sent or received for `limit`.
    func waitForSilence(_ limit: Duration) async {
        while !Task.isCancelled {
            let left = limit - (ContinuousClock.now - state.withLock { $0.lastActivity })
            if left <= .zero { return }
            try? await Task.sleep(for: left)
        }
    }
}
