import HTTP
import NIOCore
import Synchronization

/// A WebSocket connection after its handshake: whole messages out, pieces of messages in. Pings are answered and the
/// closing handshake is done here.
final class WebSocketConnection: Sendable {
    /// Answers to the peer's pings that may wait to be sent before reading stops.
    static let answerLimit = 256

    private struct State {
        var hasSentClose = false
        var lastActivity = ContinuousClock.now
    }

    let raw: RawConnection
    private let isServer: Bool
    private let encoder: WebSocketEncoder
    private let keepAlive: Duration
    private let state = Mutex(State())
    private let unansweredPings = Atomic(0)
    private let reading = Outcome<Void>()

    /// - Parameter keepAlive: between pings, which find out that a peer has vanished.
    init(_ raw: RawConnection, isServer: Bool = true, keepAlive: Duration = .seconds(15)) {
        self.raw = raw
        self.isServer = isServer
        self.keepAlive = keepAlive
        encoder = WebSocketEncoder(masks: !isServer)
    }

    // MARK: Reading

    /// Reads until either side ends the connection. The peer is then told, if it still listens.
    /// - Parameters:
    ///   - onGone: called when the connection closes, even while `take` waits.
    ///   - take: is given the parts of messages. What it throws ends the connection.
    /// - Returns: why it ended.
    func run(
        onGone: @escaping @Sendable () -> Void, _ take: (WebSocketPiece) async throws -> Void
    ) async -> any Error {
        // Lives as long as the connection, which its owner closes: it cannot be a child of what ends before.
        Task { [raw] in
            await raw.waitForClose()
            onGone()
        }
        let pinging = Task { await ping() }
        let reason = await read(take)
        pinging.cancel()
        reading.resolve(.success(()))
        return reason
    }

    private func read(_ take: (WebSocketPiece) async throws -> Void) async -> any Error {
        var decoder = WebSocketDecoder(fromClient: isServer)
        var iterator = raw.inbound.makeAsyncIterator()
        do {
            while let bytes = try await iterator.next() {
                decoder.append(bytes)
                while let piece = try decoder.next() {
                    switch piece {
                    case .data:
                        touch()
                        try await take(piece)
                    case .ping(let payload): try await answer(payload)
                    case .pong: break
                    case .close(let code, let reason):
                        // Fails only when there is nobody left to tell.
                        do { try await sendClose(code, reason: "") } catch {}
                        return StreamingError(
                            .unavailable, "the peer closed the connection\(reason.isEmpty ? "" : ": \(reason)")")
                    }
                }
            }
            return StreamingError(.unavailable, "the connection was closed")
        } catch {
            if let error = error as? WebSocketProtocolError { await complain(error, &iterator) }
            return error
        }
    }

    /// Tells the peer what it did wrong. Closing over its unread bytes would make the system throw that away.
    private func complain(_ error: WebSocketProtocolError, _ iterator: inout HTTPBody.AsyncIterator) async {
        let giveUp = Task { [raw] in
            do { try await Task.sleep(for: .seconds(2)) } catch { return }
            await raw.close()
        }
        do {
            try await sendClose(error.code, reason: error.description)
            try await raw.closeOutput()
            while try await iterator.next() != nil {}
        } catch {
            // It has gone without listening.
        }
        giveUp.cancel()
    }

    private func answer(_ payload: ByteBuffer) async throws {
        if unansweredPings.load(ordering: .relaxed) >= Self.answerLimit {
            return try await sendNow(.pong, payload)
        }
        unansweredPings.add(1, ordering: .relaxed)
        enqueue(.pong, payload).whenComplete { _ in self.unansweredPings.subtract(1, ordering: .relaxed) }
    }

    /// A peer that has gone answers a ping with a reset, which closes our side even while we are not reading.
    private func ping() async {
        do {
            while true {
                try await Task.sleep(for: keepAlive)
                try await sendNow(.ping, ByteBuffer())
            }
        } catch {
            // Cancelled with the connection, or that is gone, which is noticed elsewhere.
        }
    }

    // MARK: Sending

    /// Sends a message; suspends until the system has taken it.
    /// - Throws: when the connection is gone or closing; `CancellationError` (the message may leave all the same).
    func send(text: Bool = false, prefix: [UInt8] = [], _ payload: ByteBuffer) async throws {
        touch()
        try await finish(enqueue(text ? .text : .binary, prefix: prefix, payload))
    }

    /// Queues a message in the order of the calls.
    func enqueue(_ opcode: WebSocketOpcode, prefix: [UInt8] = [], _ payload: ByteBuffer) -> EventLoopFuture<Void> {
        var frame = ByteBuffer()
        encoder.encode(opcode, prefix: prefix, payload, into: &frame)
        // Nothing may follow a close.
        return state.withLock { state in
            state.hasSentClose ? raw.eventLoop.makeFailedFuture(Self.closed) : raw.send(frame)
        }
    }

    private func sendNow(_ opcode: WebSocketOpcode, _ payload: ByteBuffer) async throws {
        try await finish(enqueue(opcode, payload))
    }

    private func finish(_ future: EventLoopFuture<Void>) async throws {
        let outcome = Outcome<Void>()
        future.whenComplete { outcome.resolve($0) }
        try await outcome.value()
    }

    private static let closed = StreamingError(.unavailable, "the connection is closed")

    // MARK: The end

    /// Says goodbye, once.
    func sendClose(_ code: UInt16? = WebSocketCloseCode.normal, reason: String = "") async throws {
        var frame = ByteBuffer()
        encoder.encodeClose(code, reason: reason, into: &frame)
        let sent: EventLoopFuture<Void>? = state.withLock { state in
            guard !state.hasSentClose else { return nil }
            state.hasSentClose = true
            return raw.send(frame)
        }
        if let sent { try await finish(sent) }
    }

    /// Says goodbye, gives the peer time to say so, too, and closes.
    func close(within limit: Duration) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // Both fail only when there is nobody left, or when nobody wants to wait.
                do {
                    try await self.sendClose()
                    try await self.reading.value()
                } catch {}
            }
            group.addTask { do { try await Task.sleep(for: limit) } catch {} }
            await group.next()
            group.cancelAll()
        }
        await raw.close()
    }

    func touch() { state.withLock { $0.lastActivity = .now } }

    /// Returns when no message came or went for `limit`, or when cancelled. Pings do not count.
    func waitForSilence(_ limit: Duration) async {
        while !Task.isCancelled {
            let left = limit - (ContinuousClock.now - state.withLock { $0.lastActivity })
            if left <= .zero { return }
            do { try await Task.sleep(for: left) } catch { return }
        }
    }
}
