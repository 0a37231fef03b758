import Logging
import NIOCore
import NIOHTTP1
import TLS

/// One server connection: requests one after the other, each to a task of its own.
///
/// This file takes requests in; `HTTPServerHandler+Response.swift` sends the answers.
final class HTTPServerHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart
    typealias Handler = @Sendable (HTTPRequest) async throws -> HTTPResponse

    enum State {
        case idle
        /// The request is with its handler; the source takes its body until the end.
        case handling(body: HTTPBody.Producer.Source?)
        /// The last response was sent; what the client still sends is dropped until it stops.
        case lingering
        /// The channel carries another protocol, or is closed.
        case handedOver
    }

    private let handler: Handler
    private let limits: HTTPServerLimits
    private let running: RunningHandlers
    let logger: Logger
    let encoder = HTTPResponseEncoder()
    let reader: MessageReader<HTTPServerRequestPart, HTTPServerResponsePart>
    private let peer: PeerIdentity?

    var state = State.idle
    var queue = CircularBuffer<HTTPServerRequestPart>()
    var task: Task<Void, Never>?
    /// Runs while the connection waits for the client.
    var timer = ConnectionTimer()
    /// The whole request is in.
    var requestEnded = true
    var keepAlive = true
    var wantsUpgrade = false
    var isDraining = false
    var inputClosed = false
    /// No further request can be read.
    var decoderStopped = false
    private(set) var context: ChannelHandlerContext?
    private var headBegun = false
    /// Counts requests: a reader of an earlier body has no say about a later one.
    private var requests = 0
    /// The client waits for a 100 before it sends the body.
    private var awaitsInvitation = false
    private var isReaderBehind = false
    private var wantsRead = false

    init(
        handler: @escaping Handler, limits: HTTPServerLimits, logger: Logger, running: RunningHandlers,
        peer: PeerIdentity?
    ) {
        self.handler = handler
        self.limits = limits
        self.logger = logger
        self.running = running
        self.peer = peer
        reader = MessageReader(HTTPRequestDecoder(limitConfiguration: limits.decoder))
    }

    /// Adds this and what it needs before it.
    func install(in channel: any Channel) throws {
        reader.onBytes = { [weak self] in self?.bytesArrived() }
        try channel.pipeline.syncOperations.addHandlers(encoder, reader, self)
    }

    /// Ends with the request that runs.
    func drain() {
        isDraining = true
        if case .idle = state { context?.close(promise: nil) }
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        awaitRequest(context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer.cancel()
        self.context = nil
    }

    /// A client that opens a connection must soon say what for.
    func awaitRequest(_ context: ChannelHandlerContext) {
        headBegun = false
        let channel = context.channel
        timer.set(limits.idleTimeout, on: context.eventLoop) { channel.close(promise: nil) }
    }

    /// A client that begins a request must soon be done with its head.
    private func bytesArrived() {
        guard case .idle = state, !headBegun, let context else { return }
        headBegun = true
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timer.set(limits.headTimeout, on: context.eventLoop) {
            bound.value.refuse(HTTPResponse(.requestTimeout, text: "the request did not come in time\n"))
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        queue.append(part)
        process(context)
        // What comes now may be of the new protocol.
        if wantsUpgrade, case .end = part { reader.hold() }
    }

    func process(_ context: ChannelHandlerContext) {
        while let part = queue.first {
            switch (state, part) {
            // The next request waits for its turn; reading stops meanwhile.
            case (.handling(nil), _), (.handling, .head), (.handedOver, _): return
            default: queue.removeFirst()
            }
            switch (state, part) {
            case (.idle, .head(let head)): begin(head, context)
            case (.handling(let body?), .body(let bytes)):
                awaitsInvitation = false
                if case .stopProducing = body.yield(bytes) { isReaderBehind = true }
                awaitBody(context)
            case (.handling(let body?), .end):
                requestEnded = true
                timer.cancel()
                state = .handling(body: nil)
                body.finish()
            default: break
            }
        }
    }

    func read(context: ChannelHandlerContext) {
        if isReaderBehind || !queue.isEmpty || reader.isHolding { wantsRead = true } else { context.read() }
    }

    /// The reader of a request's body has room again, or left.
    private func resumeReading(_ request: Int) {
        if request == requests { resumeReading() }
    }

    func resumeReading() {
        isReaderBehind = false
        if let context, case .handling = state { awaitBody(context) }
        guard wantsRead, queue.isEmpty, !reader.isHolding else { return }
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
        guard let error = error as? HTTPParserError else {
            breakOff(HTTPError(.connectionLost, "the connection broke", cause: error))
            return context.close(promise: nil)
        }
        decoderStopped = true
        keepAlive = false
        switch state {
        case .idle where error == .headerOverflow:
            refuse(HTTPResponse(.requestHeaderFieldsTooLarge, text: "the request head is too large\n"))
        case .idle: refuse(HTTPResponse(.badRequest, text: "the request is malformed\n"))
        // The handler learns of it, and its answer is the last.
        case .handling(let body?): fail(body, HTTPError(.failed, "the request body is malformed", cause: error))
        case .handling(nil), .lingering, .handedOver: break
        }
    }

    /// The client sends no more. One that waits for an answer to a plain request has most likely gone: TCP does not say
    /// which, and a handler may take for ever. It is cancelled, and its answer is sent if it gives one all the same.
    private func inputEnded(_ context: ChannelHandlerContext) {
        inputClosed = true
        keepAlive = false
        switch state {
        case .handling(nil) where requestEnded: if !wantsUpgrade { task?.cancel() }
        default:
            breakOff(HTTPError(.connectionLost, "the client ended the connection"))
            context.close(promise: nil)
        }
    }

    private func breakOff(_ error: HTTPError) {
        timer.cancel()
        if case .handling(let body?) = state { fail(body, error) }
        state = .handedOver
        task?.cancel()
    }

    private func fail(_ body: HTTPBody.Producer.Source, _ error: HTTPError) {
        var error = error
        error.isOfRequest = true
        timer.cancel()
        keepAlive = false
        state = .handling(body: nil)
        body.finish(error)
    }

    // MARK: A request

    private func begin(_ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        timer.cancel()
        requestEnded = false
        keepAlive = head.isKeepAlive && !isDraining && !decoderStopped
        wantsUpgrade =
            head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
            && head.headers.contains(name: "upgrade")
        guard let target = RequestTarget(head.uri) else {
            return refuse(HTTPResponse(.badRequest, text: "the request target is malformed\n"))
        }
        guard head.version != .http1_1 || head.headers["host"].count == 1 else {
            return refuse(HTTPResponse(.badRequest, text: "the request must name one host\n"))
        }
        let eventLoop = context.eventLoop
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        requests += 1
        let request = requests
        let made = HTTPBody.makeProducer(
            InboundDelegate(
                eventLoop: eventLoop, onDemand: { bound.value.resumeReading(request) },
                onEnd: { bound.value.resumeReading(request) }))
        state = .handling(body: made.source)
        isReaderBehind = false
        awaitsInvitation = head.headers[canonicalForm: "expect"].contains { $0.lowercased() == "100-continue" }
        let invite: @Sendable () -> Void = { eventLoop.execute { bound.value.invite() } }
        awaitBody(context)
        let isUnix = context.remoteAddress?.protocol == .unix
        run(
            HTTPRequest(
                head, target,
                body: HTTPBody(made.sequence, isOfRequest: true, onFirstRead: awaitsInvitation ? invite : nil),
                remoteAddress: isUnix ? nil : context.remoteAddress, localAddress: isUnix ? nil : context.localAddress,
                peer: peer),
            head, context)
    }

    /// The handler begins to read the body: the client may send it (RFC 9110, 10.1.1).
    private func invite() {
        guard awaitsInvitation, case .handling(.some) = state, let context else { return }
        awaitsInvitation = false
        context.writeAndFlush(wrapOutboundOut(.head(.init(version: .http1_1, status: .continue))), promise: nil)
        awaitBody(context)
    }

    /// A client must go on with a body that is wanted.
    private func awaitBody(_ context: ChannelHandlerContext) {
        guard case .handling(.some) = state, !isReaderBehind, !awaitsInvitation else { return timer.cancel() }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        timer.set(limits.bodyIdleTimeout, on: context.eventLoop) {
            guard case .handling(let body?) = bound.value.state else { return }
            bound.value.fail(body, HTTPError(.timedOut, "the client stopped in the middle of the request body"))
        }
    }

    private func run(_ request: HTTPRequest, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) {
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let (handler, logger, running, channel) = (handler, logger, running, context.channel)
        running.began()
        task = Task { @Sendable in
            defer { running.ended() }
            guard let response = await Self.answer(to: request, handler, logger) else {
                return channel.close(promise: nil)
            }
            let next = try? await channel.eventLoop.submit { bound.value.answer(response, head) }.get()
            switch next {
            case .produce(let produce)?:
                do {
                    try await produce(
                        HTTPBodyWriter { channel.writeAndFlush(HTTPServerResponsePart.body(.byteBuffer($0))) })
                    channel.eventLoop.execute { bound.value.finish() }
                } catch {
                    logger.debug(
                        "a response was broken off", metadata: ["path": "\(request.path)", "error": "\(error)"])
                    // No end is sent: the client sees that the response is cut off.
                    channel.close(promise: nil)
                }
            case .run(let connection, let run)?:
                do {
                    try await run(connection)
                } catch {
                    logger.debug(
                        "an upgraded connection ended", metadata: ["path": "\(request.path)", "error": "\(error)"])
                }
                await connection.close()
            case .nothing?, nil: break
            }
        }
    }

    /// nil when there is nobody to answer.
    private static func answer(to request: HTTPRequest, _ handler: Handler, _ logger: Logger) async -> HTTPResponse? {
        do {
            return try await handler(request)
        } catch let error as any HTTPResponseConvertible {
            return error.httpResponse
        } catch let error as HTTPError where error.isOfRequest {
            switch error.code {
            case .tooLarge: return HTTPResponse(.payloadTooLarge, text: "\(error.message)\n")
            case .timedOut: return HTTPResponse(.requestTimeout, text: "\(error.message)\n")
            default: return HTTPResponse(.badRequest, text: "\(error.message)\n")
            }
        } catch {
            if Task.isCancelled { return nil }
            logger.error("a request failed", metadata: ["path": "\(request.path)", "error": "\(error)"])
            return HTTPResponse(.internalServerError, text: "\(error)\n")
        }
    }
}
