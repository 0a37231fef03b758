import NIOCore
import Synchronization

extension SPDYSession {
    func read() async {
        var decoder = SPDYDecoder()
        var failure: any Error = StreamingError(.unavailable, "the connection was closed")
        do {
            for try await bytes in connection.received {
                decoder.append(bytes)
                while let frame = try decoder.next() {
                    if frame.isActivity { touch() }
                    try await handle(frame)
                }
            }
        } catch {
            failure = error
            if error is SPDYProtocolError { sendProtocolError() }
        }
        let streams = state.withLock { state in
            state.hasEnded = true
            defer { state.streams = [:] }
            return Array(state.streams.values)
        }
        for stream in streams { stream.fail(failure) }
        incomingIn.finish()
    }

    private func handle(_ frame: SPDYFrame) async throws {
        switch frame {
        case .synStream(let id, let headers, let fin): try await accept(id, headers, fin)
        case .synReply(let id, _, let fin):
            guard let stream = find(id) else { return }
            stream.notePeerReplied()
            if fin { stream.inbound.finish() }
        case .data(let id, let bytes, let fin):
            guard let stream = find(id) else { return returnWindow(bytes.readableBytes) }
            unread.add(bytes.readableBytes, ordering: .relaxed)
            stream.inbound.offer(bytes)
            if fin { stream.inbound.finish() }
            await waitForRoom(in: stream)
        case .headers(let id, let fin):
            if fin { find(id)?.inbound.finish() }
        case .rstStream(let id, let status):
            state.withLock { $0.streams.removeValue(forKey: id) }?.fail(
                StreamingError(.unavailable, "the peer reset the stream (status \(status))"))
        case .ping(let id):
            // Our own come back; only the peer's are answered. Clients count in odd numbers, servers in even ones.
            if (id % 2 == 1) == (role == .server) { try await answer(.ping(id: id)) }
        case .goAway, .windowUpdate, .ignored: break
        }
    }

    private func find(_ id: UInt32) -> SPDYStream? { state.withLock { $0.streams[id] } }

    /// Stops reading while readers of streams are behind. The peer then stops, too, once TCP's buffers are full.
    private func waitForRoom(in stream: SPDYStream) async {
        var iterator = wakeups.makeAsyncIterator()
        while stream.inbound.isFull || unread.load(ordering: .relaxed) > Self.inboundLimit {
            guard !state.withLock({ $0.isGone }), await iterator.next() != nil else { return }
        }
    }

    /// Sends what the peer asked for. A peer that asks much and reads nothing is not listened to until it reads.
    private func answer(_ frame: SPDYFrame) async throws {
        if unansweredFrames.load(ordering: .relaxed) >= Self.answerLimit { return try await send(frame) }
        unansweredFrames.add(1, ordering: .relaxed)
        enqueue(frame).whenComplete { _ in self.unansweredFrames.subtract(1, ordering: .relaxed) }
    }

    private func accept(_ id: UInt32, _ headers: SPDYHeaders, _ fin: Bool) async throws {
        let stream: SPDYStream? = try state.withLock { state in
            guard id % 2 == (role == .server ? 1 : 0), id > state.lastPeerID else {
                throw SPDYProtocolError(description: "a stream with the number \(id) was opened out of order")
            }
            state.lastPeerID = id
            guard state.accepts, !state.isClosing, state.streams.count < streamLimit else { return nil }
            let stream = SPDYStream(id: id, headers: headers, session: self)
            state.streams[id] = stream
            return stream
        }
        guard let stream else { return try await answer(.rstStream(stream: id, status: SPDYNumbers.refusedStream)) }
        try await answer(.synReply(stream: id, headers: SPDYHeaders(), fin: false))
        if fin { stream.inbound.finish() }
        incomingIn.yield(stream)
    }
}
