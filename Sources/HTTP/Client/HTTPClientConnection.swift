import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1

/// One connection of a client, with at most one request at a time.
final class HTTPClientConnection: Sendable {
    enum UpgradeAnswer: Sendable {
        case upgraded(HTTPResponseHead, RawConnection)
        case refused(HTTPClientResponse)
    }

    private let channel: any Channel
    private let handler: NIOLoopBound<HTTPClientHandler>
    private let idle = NIOLockedValueBox<Scheduled<Void>?>(nil)

    /// On the channel's event loop.
    init(
        _ channel: any Channel, headBytes: Int, onIdle: @escaping @Sendable (HTTPClientConnection) -> Void
    ) throws {
        self.channel = channel
        let encoder = HTTPRequestEncoder()
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderListSize = headBytes
        let reader = MessageReader(
            HTTPResponseDecoder(informationalResponseStrategy: .drop, limitConfiguration: limits))
        let handler = HTTPClientHandler(encoder: encoder, reader: reader)
        self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandlers(encoder, reader, handler)
        // The channel keeps this alive until it closes.
        handler.onIdle = { onIdle(self) }
    }

    var isUsable: Bool { channel.isActive }

    func send(_ head: HTTPRequestHead, _ body: HTTPClient.RequestBody) async throws -> HTTPClientResponse {
        let answer = channel.eventLoop.makePromise(of: HTTPClientResponse.self)
        try await begin(head, body, .response(answer))
        guard case .stream(let produce) = body else { return try await answer.futureResult.get() }
        return try await withThrowingTaskGroup(of: Half.self) { group in
            group.addTask { .answered(try await answer.futureResult.get()) }
            group.addTask {
                try await self.send(produce)
                return .sent
            }
            var response: HTTPClientResponse?
            do {
                for try await half in group {
                    guard case .answered(let answered) = half else { continue }
                    response = answered
                    // The server has made up its mind: the rest of the body is of no use.
                    if answered.status.code >= 300 { group.cancelAll() }
                }
            } catch {
                // Ends the wait for the other half.
                closeSoon()
                throw error
            }
            return response!
        }
    }

    /// A request whose body is produced while the answer is awaited.
    private enum Half: Sendable {
        case answered(HTTPClientResponse)
        case sent
    }

    func upgrade(_ head: HTTPRequestHead, _ body: HTTPClient.RequestBody) async throws -> UpgradeAnswer {
        let answer = channel.eventLoop.makePromise(of: UpgradeAnswer.self)
        try await begin(head, body, .upgrade(answer))
        return try await answer.futureResult.get()
    }

    /// Sends what is there of a request.
    /// - Throws: ``StaleConnection`` before anything was sent.
    private func begin(
        _ head: HTTPRequestHead, _ body: HTTPClient.RequestBody, _ waiter: HTTPClientHandler.Waiter
    ) async throws {
        idle.withLockedValue { $0?.cancel() }
        let (channel, handler) = (channel, handler)
        // What cannot be written ends the connection, and with it the wait for the answer, which may be there already.
        try await channel.eventLoop.submit {
            guard handler.value.begin(waiter) else {
                let stale = StaleConnection(cause: handler.value.failure)
                waiter.fail(stale)
                throw stale
            }
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            switch body {
            case .none: channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            case .bytes(let bytes):
                channel.write(HTTPClientRequestPart.body(.byteBuffer(bytes)), promise: nil)
                channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            case .stream: channel.flush()
            }
        }.get()
    }

    private func send(_ produce: @Sendable (HTTPBodyWriter) async throws -> Void) async throws {
        let (channel, handler) = (channel, handler)
        do {
            try await produce(
                HTTPBodyWriter { channel.writeAndFlush(HTTPClientRequestPart.body(.byteBuffer($0))) })
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        } catch {
            // The server may have refused the body and said why, or be gone, which says more than a failed write.
            let isOver = try await channel.eventLoop.submit { handler.value.isAnswered }.get()
            if !isOver { throw error }
        }
    }

    func close() async { try? await channel.close() }

    func closeSoon() { channel.close(promise: nil) }

    func closeAfterIdle(_ time: TimeAmount) {
        let (channel, handler) = (channel, handler)
        let scheduled = channel.eventLoop.scheduleTask(in: time) {
            if handler.value.isIdle { channel.close(promise: nil) }
        }
        idle.withLockedValue { $0 = scheduled }
    }

    /// Runs `work`; the connection closes when it takes too long or its task is cancelled.
    func withDeadline<R: Sendable>(
        _ timeout: TimeAmount?, _ what: String, _ work: () async throws -> R
    ) async throws -> R {
        let expired = NIOLockedValueBox(false)
        let channel = channel
        let overdue = timeout.map { timeout in
            channel.eventLoop.scheduleTask(in: timeout) {
                expired.withLockedValue { $0 = true }
                channel.close(promise: nil)
            }
        }
        defer { overdue?.cancel() }
        return try await withTaskCancellationHandler {
            do {
                return try await work()
            } catch {
                try Task.checkCancellation()
                guard expired.withLockedValue({ $0 }) else { throw error }
                throw HTTPError(.timedOut, "\(what) was not answered within \(timeout!.nanoseconds / 1_000_000) ms")
            }
        } onCancel: {
            channel.close(promise: nil)
        }
    }
}

/// The connection had ended before a request was sent on it.
struct StaleConnection: Error {
    /// What a caller is told when it was a new connection.
    let cause: HTTPError?

    var error: HTTPError { cause ?? HTTPError(.connectionLost, "the server closed the connection") }
}
