import Logging
import NIOCore
import NIOHTTP1

extension HTTPServerHandler {
    /// What the request's task does once the head of its answer was sent.
    enum Next: Sendable {
        case nothing
        case produce(@Sendable (HTTPBodyWriter) async throws -> Void)
        case run(RawConnection, @Sendable (RawConnection) async throws -> Void)
    }

    /// How long a client that was told to stop may take to do so.
    private static let lingerTime = TimeAmount.seconds(2)

    /// Sends what the handler answered.
    func answer(_ response: HTTPResponse, _ head: HTTPRequestHead) -> Next {
        guard let context, case .handling = state else { return .nothing }
        if let name = HeadCheck.unsendable(response.headers) {
            logger.error("a response cannot be sent", metadata: ["header": "\(name.debugDescription)"])
            return send(HTTPResponse(.internalServerError, text: "the response cannot be sent\n"), head, context)
        }
        return send(response, head, context)
    }

    /// Answers what never came to a handler; the connection ends with it.
    func refuse(_ response: HTTPResponse) {
        guard let context else { return }
        decoderStopped = true
        _ = send(response, HTTPRequestHead(version: .http1_1, method: .GET, uri: "/"), context)
    }

    private func send(_ response: HTTPResponse, _ head: HTTPRequestHead, _ context: ChannelHandlerContext) -> Next {
        if case .upgrade(let run) = response.body { return handOver(response, run, context) }
        // A decoder that saw an upgrade reads no further request.
        if !requestEnded || wantsUpgrade || isDraining || decoderStopped || inputClosed { keepAlive = false }
        var headers = response.headers
        let mayHaveBody = response.status.mayHaveResponseBody
        let version = head.version == .http1_1 ? HTTPVersion.http1_1 : .http1_0
        switch response.body {
        case _ where !mayHaveBody: headers.remove(name: "content-length")
        // Without a length the encoder would make a body of chunks of it, and end that after a HEAD as well.
        case .none where head.method != .HEAD || headers["content-length"].isEmpty:
            headers.replaceOrAdd(name: "content-length", value: "0")
        case .bytes(let bytes): headers.replaceOrAdd(name: "content-length", value: "\(bytes.readableBytes)")
        case .stream where version == .http1_0: keepAlive = false
        case .none, .stream, .upgrade: break
        }
        if !keepAlive {
            headers.replaceOrAdd(name: "connection", value: "close")
        } else if version == .http1_0 {
            headers.replaceOrAdd(name: "connection", value: "keep-alive")
        }
        context.write(
            wrapOutboundOut(.head(.init(version: version, status: response.status, headers: headers))), promise: nil)
        switch response.body {
        case .bytes(let bytes) where head.method != .HEAD && mayHaveBody:
            context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil)
        case .stream(let produce) where head.method != .HEAD && mayHaveBody:
            context.flush()
            return .produce(produce)
        case .stream where head.method == .HEAD:
            // The encoder would end a body that must not be there.
            ended(context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(ByteBuffer())))), context)
            return .nothing
        default: break
        }
        finish()
        return .nothing
    }

    /// The whole response was given to the channel.
    func finish() {
        guard let context else { return }
        switch state {
        case .idle, .handling: ended(context.writeAndFlush(wrapOutboundOut(.end(nil))), context)
        case .lingering, .handedOver: break
        }
    }

    private func ended(_ sent: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        task = nil
        timer.cancel()
        guard keepAlive, requestEnded, !isDraining, !decoderStopped, !inputClosed else {
            return linger(after: sent, context)
        }
        state = .idle
        awaitRequest(context)
        process(context)
        resumeReading()
    }

    /// Ends the connection. Closing over bytes that nobody read makes the system throw the response away that the client
    /// has not read yet, so the client is first told of the end and heard until it stops.
    private func linger(after sent: EventLoopFuture<Void>, _ context: ChannelHandlerContext) {
        let channel = context.channel
        let isSilent = requestEnded && queue.isEmpty && !wantsUpgrade && !decoderStopped
        state = .lingering
        queue.removeAll()
        reader.drop()
        guard !isSilent, !inputClosed else {
            return sent.whenComplete { _ in channel.close(promise: nil) }
        }
        sent.whenSuccess { channel.close(mode: .output, promise: nil) }
        sent.whenFailure { _ in channel.close(promise: nil) }
        timer.set(Self.lingerTime, on: context.eventLoop) { channel.close(promise: nil) }
        resumeReading()
    }

    private func handOver(
        _ response: HTTPResponse, _ run: @escaping @Sendable (RawConnection) async throws -> Void,
        _ context: ChannelHandlerContext
    ) -> Next {
        state = .handedOver
        timer.cancel()
        task = nil
        let channel = context.channel
        let head = HTTPResponseHead(version: .http1_1, status: .switchingProtocols, headers: response.headers)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: nil)
        // What is left of the request is taken as the start of the new protocol.
        let early = queue.compactMap { part -> ByteBuffer? in if case .body(let bytes) = part { bytes } else { nil } }
        queue = []
        do {
            let connection = try RawHandler.take(over: channel)
            let pipeline = context.pipeline.syncOperations
            pipeline.removeHandler(self, promise: nil)
            for bytes in early { pipeline.fireChannelRead(NIOAny(bytes)) }
            pipeline.removeHandler(encoder, promise: nil)
            reader.hold()
            reader.release()
            pipeline.removeHandler(reader, promise: nil)
            if inputClosed {
                channel.eventLoop.execute { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            } else {
                channel.read()
            }
            return .run(connection, run)
        } catch {
            context.close(promise: nil)
            return .nothing
        }
    }
}
