import NIOCore
import NIOHTTP1

/// The responses of one client connection.
final class HTTPClientHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    enum Waiter {
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
    private let decoder: ByteToMessageHandler<HTTPResponseDecoder>
    private var state = State.idle
    private var requestEnded = false
    private var isReaderBehind = false
    private var wantsRead = false
    private var context: ChannelHandlerContext?

    init(encoder: HTTPRequestEncoder, decoder: ByteToMessageHandler<HTTPResponseDecoder>) {
        self.encoder = encoder
        self.decoder = decoder
    }

    var isIdle: Bool { if case .idle = state { true } else { false } }
    var hasAnswer: Bool { if case .waiting = state { false } else { true } }

    func begin(_ waiter: Waiter) {
        guard case .idle = state else {
            return waiter.fail(HTTPError(.connectionLost, "the server closed the connection"))
        }
        state = .waiting(waiter)
        requestEnded = false
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        onIdle = nil
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .end = unwrapOutboundIn(data) { requestEnded = true }
        context.write(data, promise: promise)
    }

    // MARK: Responses

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch (state, unwrapInboundIn(data)) {
        case (.waiting(let waiter), .head(let head)): received(head, waiter, context)
        case (.body(let source, _), .body(let bytes)):
            if case .stopProducing = source.yield(bytes) { isReaderBehind = true }
        case (.body(let source, let keepAlive), .end):
            source.finish()
            finished(keepAlive: keepAlive, context)
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
            let isRaw = head.status == .ok && !head.headers.contains(name: "content-length") && !head.headers.contains(name: "transfer-encoding")
            if head.status == .switchingProtocols || isRaw { return handOver(head, promise, context) }
        }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let made = HTTPBody.makeProducer(
            InboundDelegate(
                eventLoop: context.eventLoop, onDemand: { bound.value.resumeReading() }, onEnd: { bound.value.abandon() }))
        state = .body(made.source, keepAlive: head.isKeepAlive)
        let response = HTTPClientResponse(status: head.status, headers: head.headers, body: HTTPBody(made.sequence))
        switch waiter {
        case .response(let promise): promise.succeed(response)
        case .upgrade(let promise): promise.succeed(.refused(response))
        }
    }

    /// The reader left before the end of the body.
    private func abandon() {
        guard case .body = state else { return resumeReading() }
        state = .closed
        context?.close(promise: nil)
    }

    private func resumeReading() {
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
        resumeReading()
        onIdle?()
    }

    private func handOver(
        _ head: HTTPResponseHead, _ promise: EventLoopPromise<HTTPClientConnection.UpgradeAnswer>, _ context: ChannelHandlerContext
    ) {
        state = .handedOver
        do {
            let channel = context.channel
            let raw = try RawHandler.take(over: channel)
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            // Not from inside the decoder that called this.
            context.eventLoop.execute {
                let (handler, context) = bound.value
                let pipeline = context.pipeline.syncOperations
                pipeline.removeHandler(handler.encoder, promise: nil)
                pipeline.removeHandler(handler.decoder, promise: nil)
                pipeline.removeHandler(handler, promise: nil)
                promise.succeed(.upgraded(head, raw))
                channel.read()
            }
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
        state = .closed
    }
}
