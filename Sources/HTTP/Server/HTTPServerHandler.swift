import Logging
import NIOCore
import NIOHTTP1
import TLS

/// One server connection: requests one after the other, each to a task of its own.
final class HTTPServerHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private enum State {
        case idle
        /// The request is with its handler; the source takes its body until the end.
        case handling(body: HTTPBody.Producer.Source?)
        /// The response was sent, the request goes on: what comes is dropped.
        case discarding
        /// The channel carries another protocol, or is about to close.
        case handedOver
    }

    private let handler: @Sendable (HTTPRequest) async throws -> HTTPResponse
    private let limits: HTTPServerLimits
    private let logger: Logger
    private let encoder: HTTPResponseEncoder
    private let decoder: ByteToMessageHandler<HTTPRequestDecoder>
    private let peer: PeerIdentity?
    private var state = State.idle
    private var queue = CircularBuffer<HTTPServerRequestPart>()
    private var task: Task<Void, Never>?
    private var requestEnded = true
    private var keepAlive = true
    private var wantsUpgrade = false
    private var isReaderBehind = false
    private var wantsRead = false
    private var isDraining = false
    private var inputClosed = false
    private var idle: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(
        handler: @escaping @Sendable (HTTPRequest) async throws -> HTTPResponse, limits: HTTPServerLimits, logger: Logger,
        encoder: HTTPResponseEncoder, decoder: ByteToMessageHandler<HTTPRequestDecoder>, peer: PeerIdentity?
    ) {
        self.handler = handler
        self.limits = limits
        self.logger = logger
        self.encoder = encoder
        self.decoder = decoder
        self.peer = peer
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        awaitRequest(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        idle?.cancel()
        self.context = nil
    }

    /// A client that opens a connection must soon say what for.
    private func awaitRequest(_ context: ChannelHandlerContext) {
        idle?.cancel()
        let channel = context.channel
        idle = context.eventLoop.scheduleTask(in: limits.idleTimeout) { channel.close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        queue.append(unwrapInboundIn(data))
        process(context)
    }

    private func process(_ context: ChannelHandlerContext) {
        while let part = queue.first {
            switch (state, part) {
            case (.idle, .head(let head)): begin(head, context)
            case (.idle, _): break
            case (.handling(let body?), .body(let bytes)):
                if case .stopProducing = body.yield(bytes) { isReaderBehind = true }
            case (.handling(let body?), .end):
                requestEnded = true
                body.finish()
                state = .handling(body: nil)
            // The next request waits for its turn; reading stops meanwhile.
            case (.handling, _): return
            case (.discarding, .end):
                requestEnded = true
                state = .idle
                awaitRequest(context)
            case (.discarding, _): break
            case (.handedOver, _): return
            }
            queue.removeFirst()
        }
    }

    func read(context: ChannelHandlerContext) {
        if isReaderBehind || !queue.isEmpty { wantsRead = true } else { context.read() }
    }

    private func resumeReading() {
        isReaderBehind = false
        guard wantsRead, queue.isEmpty else { return }
        wantsRead = false
        context?.read()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { return inputEnded(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelInactive(context: ChannelHandlerContext) {
        breakOff(HTTPError(.connectionLost, "the client closed the connection"))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if case .idle = state, error is HTTPParserError {
            state = .handedOver
            return send(HTTPResponse(.badRequest, text: "the request is malformed\n"), HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), context)
        }
        breakOff(HTTPError(.connectionLost, "the connection broke", cause: error))
        context.close(promise: nil)
    }

    private func inputEnded(_ context: ChannelHandlerContext) {
        inputClosed = true
        keepAlive = false
        if case .handling(nil) = state { return }
        breakOff(HTTPError(.connectionLost, "the client ended the connection"))
        context.close(promise: nil)
    }

    private func breakOff(_ error: HTTPError) {
        idle?.cancel()
        if case .handling(let body?) = state { body.finish(error) }
        state = .handedOver
        task?.cancel()
    }

    // MARK: A request

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        idle?.cancel()
        requestEnded = false
        keepAlive = head.isKeepAlive && !isDraining
        wantsUpgrade =
            head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" } && head.headers.contains(name: "upgrade")
        guard let target = RequestTarget(head.uri) else {
            state = .discarding
            keepAlive = false
            return send(HTTPResponse(.badRequest, text: "the request target is malformed\n"), head, context)
        }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let made = HTTPBody.makeProducer(
            InboundDelegate(
                eventLoop: context.eventLoop, onDemand: { bound.value.resumeReading() }, onEnd: { bound.value.resumeReading() }))
        state = .handling(body: made.source)
        if head.headers[canonicalForm: "expect"].contains(where: { $0.lowercased() == "100-continue" }) {
            context.writeAndFlush(wrapOutboundOut(.head(.init(version: head.version, status: .continue))), promise: nil)
        }
        let isUnix = context.remoteAddress?.protocol == .unix
        let request = HTTPRequest(
            method: head.method, target: head.uri, path: target.path, query: target.query, headers: head.headers,
            body: HTTPBody(made.sequence), remoteAddress: isUnix ? nil : context.remoteAddress,
            localAddress: isUnix ? nil : context.localAddress, peer: peer)
        let (handler, logger, eventLoop) = (handler, logger, context.eventLoop)
        task = Task { @Sendable in
            let response: HTTPResponse
            do {
                response = try await handler(request)
            } catch let error as any HTTPResponseConvertible {
                response = error.httpResponse
            } catch is CancellationError {
                return
            } catch {
                logger.error("a request failed", metadata: ["path": "\(request.path)", "error": "\(error)"])
                response = HTTPResponse(.internalServerError, text: "\(error)\n")
            }
            eventLoop.execute { bound.value.answer(response, head) }
        }
    }

    private func answer(_ response: HTTPResponse, _ head: HTTPRequestHead) {
        guard let context, case .handling = state else { return }
        // A decoder that saw an upgrade reads no further request.
        if !requestEnded || wantsUpgrade || isDraining { keepAlive = false }
        send(response, head, context)
    }

    private func send(_ response: HTTPResponse, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var headers = response.headers
        if case .handedOver = state { keepAlive = false }
        if case .upgrade(let run) = response.body { return handOver(response, run, context) }
        switch response.body {
        case .none where ![.noContent, .notModified].contains(response.status) && response.status.code >= 200:
            headers.replaceOrAdd(name: "content-length", value: "0")
        case .bytes(let bytes): headers.replaceOrAdd(name: "content-length", value: "\(bytes.readableBytes)")
        case .stream where head.version == .http1_0: keepAlive = false
        default: break
        }
        if !keepAlive { headers.replaceOrAdd(name: "connection", value: "close") }
        context.write(
            wrapOutboundOut(.head(.init(version: head.version, status: response.status, headers: headers))), promise: nil)
        switch response.body {
        case .bytes(let bytes) where head.method != .HEAD:
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
            finish(context)
        case .stream(let produce) where head.method != .HEAD: stream(produce, context)
        default: finish(context)
        }
    }

    private func stream(_ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void, _ context: ChannelHandlerContext) {
        context.flush()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let (eventLoop, channel) = (context.eventLoop, context.channel)
        let writer = HTTPBodyWriter(channel: channel) { bytes in
            channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer(bytes)))
        }
        task = Task { @Sendable in
            do {
                try await produce(writer)
                eventLoop.execute { bound.value.context.map(bound.value.finish) }
            } catch {
                // No end is sent: the client sees that the response is cut off.
                channel.close(promise: nil)
            }
        }
    }

    private func finish(_ context: ChannelHandlerContext) {
        let end = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        task = nil
        guard keepAlive, !isDraining else {
            state = .handedOver
            let channel = context.channel
            return end.whenComplete { _ in channel.close(promise: nil) }
        }
        state = requestEnded ? .idle : .discarding
        if requestEnded { awaitRequest(context) }
        process(context)
        resumeReading()
    }

    private func handOver(
        _ response: HTTPResponse, _ run: @escaping @Sendable (RawConnection) async throws -> Void, _ context: ChannelHandlerContext
    ) {
        state = .handedOver
        idle?.cancel()
        let channel = context.channel
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: response.headers)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        // The decoder goes last: what it has read of the new protocol already then comes to the new handler.
        let early = queue.compactMap { part -> ByteBuffer? in if case .body(let bytes) = part { bytes } else { nil } }
        queue = []
        do {
            let connection = try RawHandler.take(over: channel)
            let pipeline = context.pipeline.syncOperations
            pipeline.removeHandler(self, promise: nil)
            for bytes in early { channel.pipeline.syncOperations.fireChannelRead(NIOAny(bytes)) }
            pipeline.removeHandler(encoder, promise: nil)
            pipeline.removeHandler(decoder, promise: nil)
            if inputClosed {
                channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            } else {
                channel.read()
            }
            let logger = logger
            Task { @Sendable in
                do {
                    try await run(connection)
                } catch {
                    logger.debug("an upgraded connection ended", metadata: ["error": "\(error)"])
                }
                await connection.close()
            }
        } catch {
            context.close(promise: nil)
        }
    }

    /// Ends with the request that runs.
    func drain() {
        isDraining = true
        if case .idle = state { context?.close(promise: nil) }
    }
}
