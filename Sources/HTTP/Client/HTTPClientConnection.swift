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
    init(_ channel: any Channel, onIdle: @escaping @Sendable (HTTPClientConnection) -> Void) throws {
        self.channel = channel
        let encoder = HTTPRequestEncoder()
        let decoder = ByteToMessageHandler(
            HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop))
        let handler = HTTPClientHandler(encoder: encoder, decoder: decoder)
        self.handler = NIOLoopBound(handler, eventLoop: channel.eventLoop)
        try channel.pipeline.syncOperations.addHandlers(encoder, decoder, handler)
        // The channel keeps this alive until it closes.
        handler.onIdle = { onIdle(self) }
    }

    var isUsable: Bool { channel.isActive }

    /// Whether the last request failed because the server had closed the connection before it.
    var wasStale: Bool { !channel.isActive }

    func send(_ head: HTTPRequestHead, _ body: HTTPClient.RequestBody) async throws -> HTTPClientResponse {
        idle.withLockedValue { $0?.cancel() }
        let answer = channel.eventLoop.makePromise(of: HTTPClientResponse.self)
        try await write(head, body) { $0.begin(.response(answer)) }
        return try await answer.futureResult.get()
    }

    func upgrade(_ head: HTTPRequestHead, _ body: HTTPClient.RequestBody) async throws -> UpgradeAnswer {
        let answer = channel.eventLoop.makePromise(of: UpgradeAnswer.self)
        try await write(head, body) { $0.begin(.upgrade(answer)) }
        return try await answer.futureResult.get()
    }

    private func write(
        _ head: HTTPRequestHead, _ body: HTTPClient.RequestBody, _ begin: @escaping @Sendable (HTTPClientHandler) -> Void
    ) async throws {
        let (channel, handler) = (channel, handler)
        // What cannot be written ends the connection, and with it the wait for the answer, which may be there already.
        channel.eventLoop.execute {
            begin(handler.value)
            channel.write(HTTPClientRequestPart.head(head), promise: nil)
            switch body {
            case .none: channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            case .bytes(let bytes):
                channel.write(HTTPClientRequestPart.body(.byteBuffer(bytes)), promise: nil)
                channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
            case .stream: channel.flush()
            }
        }
        guard case .stream(let produce) = body else { return }
        do {
            try await produce(
                HTTPBodyWriter(channel: channel) { bytes in
                    channel.writeAndFlush(HTTPClientRequestPart.body(.byteBuffer(bytes)))
                })
            channel.writeAndFlush(HTTPClientRequestPart.end(nil), promise: nil)
        } catch {
            // The server may have refused the body and said why.
            let answered = try await channel.eventLoop.submit { handler.value.hasAnswer }.get()
            guard answered else {
                await close()
                throw error
            }
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
    func withDeadline<R: Sendable>(_ timeout: TimeAmount?, _ what: String, _ work: () async throws -> R) async throws -> R {
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
