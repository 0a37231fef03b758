import NIOCore
import NIOHTTP1

/// The responses of one client connection.
final class HTTPClientHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    enum Waiter: Sendable {
        case response(EventLoopPromise<HTTPClientResponse>)
        case upgrade(EventLoopPromise<HTTPClientConnection.UpgradeAnswer>)

        func fail(_ error: any Error) {
            switch self {
            case .response(let promise): promise.fail(error)
            case .upgrade(let promise): promise.fail(error)
            }
        }
    }

    private enum State {
        case idle
        case waiting(Waiter)
        case body(HTTPBody.Producer.Source, keepAlive: Bool)
        case handedOver
        case closed
    }

    var onIdle: (() -> Void)?
    private let encoder: HTTPRequestEncoder
    private let reader: MessageReader<HTTPClientResponsePart, HTTPClientRequestPart>
    private var state = State.idle
    /// Why the connection ended.
    private(set) var failure: HTTPError?
    private var requestEnded = false
    /// Counts requests: a reader of an earlier response has no say about a later one.
    private var exchange = 0
    private var isReaderBehind = false
    private var wantsRead = false
    private var context: ChannelHandlerContext?

    init(encoder: HTTPRequestEncoder, reader: MessageReader<HTTPClientResponsePart, HTTPClientRequestPart>) {
        self.encoder = encoder
        self.reader = reader
    }

    var isIdle: Bool { if case .idle = state { true } else { false } }
    /// Nothing is waited for: the answer is there, or never will be.
    var isAnswered: Bool { if case .waiting = state { false } else { true } }

    /// - Returns: false when the connection can take no request; the waiter is forgotten then.
    func begin(_ waiter: Waiter) -> Bool {
        guard case .idle = state else { return false }
        state = .waiting(waiter)
        exchange += 1
        requestEnded = false
        isReaderBehind = false
        return true
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        onIdle = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part = unwrapOutboundIn(data)
        if case .end = part { requestEnded = true }
        // What an answer looks like depends on the request.
        reader.decoder.write(data: part)
        context.write(data, promise: promise)
    }

    // MARK: Responses

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (state, unwrapInboundIn(data)) {
        case (.waiting(let waiter), .head(let head)): received(head, waiter, context)
        case (.body(let source, _), .body(let bytes)):
            if case .stopProducing = source.yield(bytes) { isReaderBehind = true }
        case (.body(let source, let keepAlive), .end):
            // Whoever sees the end finds the connection free.
            finished(keepAlive: keepAlive, context)
            source.finish()
        case (.handedOver, .body(let bytes)): context.fireChannelRead(NIOAny(bytes))
        case (.idle, .head):
            // An answer to nothing.
            state = .closed
            context.close(promise: nil)
        default: break
        }
    }

    private func received(_ head: HTTPResponseHead, _ waiter: Waiter, _ context: ChannelHandlerContext) {
        if case .upgrade(let promise) = waiter {
            let isRaw =
                head.status == .ok && !head.headers.contains(name: "content-length")
                && !head.headers.contains(name: "transfer-encoding")
            if head.status == .switchingProtocols || isRaw { return handOver(head, promise, context) }
        } else if head.status == .switchingProtocols {
            ended(HTTPError(.failed, "the server switched protocols although nobody had asked it to"))
            return context.close(promise: nil)
        }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let exchange = exchange
        let made = HTTPBody.makeProducer(
            InboundDelegate(
                eventLoop: context.eventLoop, onDemand: { bound.value.resumeReading(exchange) },
                onEnd: { bound.value.abandon(exchange) }))
        state = .body(made.source, keepAlive: head.isKeepAlive)
        let response = HTTPClientResponse(status: head.status, headers: head.headers, body: HTTPBody(made.sequence))
        switch waiter {
        case .response(let promise): promise.succeed(response)
        case .upgrade(let promise): promise.succeed(.refused(response))
        }
    }

    /// The reader left before the end of the body.
    private func abandon(_ number: Int) {
        guard number == exchange, case .body = state else { return resumeReading(number) }
        state = .closed
        context?.close(promise: nil)
    }

    private func resumeReading(_ number: Int) {
        guard number == exchange else { return }
        isReaderBehind = false
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    private func finished(keepAlive: Bool, _ context: ChannelHandlerContext) {
        guard keepAlive, requestEnded, context.channel.isActive else {
            state = .closed
            context.close(promise: nil)
            return
        }
        state = .idle
        resumeReading(exchange)
        onIdle?()
    }

    private func handOver(
        _ head: HTTPResponseHead, _ promise: EventLoopPromise<HTTPClientConnection.UpgradeAnswer>,
        _ context: ChannelHandlerContext
    ) {
        state = .handedOver
        do {
            let channel = context.channel
            let raw = try RawHandler.take(over: channel)
            let pipeline = context.pipeline.syncOperations
            // What the decoder still has to say comes here first, and is passed on.
            reader.onHold = { [self, reader] in
                reader.onHold = nil
                pipeline.removeHandler(encoder, promise: nil)
                pipeline.removeHandler(self, promise: nil)
                reader.release()
                pipeline.removeHandler(reader, promise: nil)
                promise.succeed(.upgraded(head, raw))
                channel.read()
            }
            reader.hold()
        } catch {
            promise.fail(error)
            context.close(promise: nil)
        }
    }

    // MARK: The connection

    func read(context: ChannelHandlerContext) {
        if isReaderBehind { wantsRead = true } else { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            if case .handedOver = state { return context.fireUserInboundEventTriggered(event) }
            // The decoder ends a body without length on its own once the channel is inactive.
            context.close(promise: nil)
            return
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        ended(HTTPError(.connectionLost, "the server closed the connection"))
        onIdle = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .handedOver = state { return context.fireErrorCaught(error) }
        ended(HTTPError(.connectionLost, "the connection broke", cause: error))
        context.close(promise: nil)
    }

    private func ended(_ error: HTTPError) {
        switch state {
        case .waiting(let waiter): waiter.fail(error)
        case .body(let source, _): source.finish(error)
        case .handedOver: return
        case .idle, .closed: break
        }
        failure = failure ?? error
        state = .closed
    }
}
