import CNGHTTP2
import NIOCore

/// One HTTP/2 connection to a server and the calls on it.
final class ClientConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Called once, when the connection takes no more calls (GOAWAY) or is gone.
    private let onRetire: (ClientConnection) -> Void
    /// Called once, when the connection is closed.
    private let onGone: (ClientConnection) -> Void
    /// Called for a call that the server refused without looking at it.
    private let onRefused: (ClientCall) -> Void
    private let options: RPCClientOptions
    private let session: HTTP2Session
    private var context: ChannelHandlerContext?
    private var calls: [Int32: ClientCall] = [:]
    private var isReading = false
    private var isRetired = false
    private var keepalive: RepeatedTask?
    private var lastRead = NIODeadline.now()
    private var pingedAt: NIODeadline?
    /// The server as requests name it, and as messages to people do.
    private let authority: String
    private let name: String

    init(
        options: RPCClientOptions, authority: String, name: String, onRetire: @escaping (ClientConnection) -> Void,
        onGone: @escaping (ClientConnection) -> Void, onRefused: @escaping (ClientCall) -> Void
    ) {
        self.options = options
        self.authority = authority
        self.name = name
        self.onRetire = onRetire
        self.onGone = onGone
        self.onRefused = onRefused
        session = HTTP2Session(
            role: .client,
            settings: .init(
                maxConcurrentStreams: 0, initialWindow: 1 << 20, connectionWindow: 16 << 20, maxHeaderListSize: 64 << 10
            ))
        session.delegate = self
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        guard let interval = options.keepaliveInterval else { return flush() }
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        let delay = TimeAmount.nanoseconds(interval.wholeNanoseconds)
        keepalive = context.eventLoop.scheduleRepeatedTask(initialDelay: delay, delay: delay) { _ in
            bound.value.checkAlive()
        }
        flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        lastRead = .now()
        pingedAt = nil
        let bytes = unwrapInboundIn(data)
        if !bytes.withUnsafeReadableBytes({ session.receive($0) }) {
            endAll(RPCError(.unavailable, "the server at \(name) broke HTTP/2; is this a gRPC endpoint?"))
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        keepalive?.cancel()
        endAll(RPCError(.unavailable, "the connection to \(name) was lost"))
        onGone(self)
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        endAll(RPCError(.unavailable, "the connection to \(name) broke: \(error)", cause: error))
        context.close(promise: nil)
    }

    private func flush() {
        guard !isReading, let context else { return }
        var wrote = false
        while context.channel.isWritable,
            let bytes = session.send(limit: 128 << 10, allocator: context.channel.allocator)
        {
            context.write(wrapOutboundOut(bytes), promise: nil)
            wrote = true
        }
        if wrote { context.flush() }
        if session.isFinished || (isRetired && calls.isEmpty) { context.close(promise: nil) }
    }

    private func checkAlive() {
        guard let context, let interval = options.keepaliveInterval, !calls.isEmpty else { return }
        let now = NIODeadline.now()
        if let pingedAt {
            if now - pingedAt >= .nanoseconds(options.keepaliveTimeout.wholeNanoseconds) {
                endAll(RPCError(.unavailable, "the server at \(name) no longer answers"))
                context.close(promise: nil)
            }
        } else if now - lastRead >= .nanoseconds(interval.wholeNanoseconds) {
            pingedAt = now
            session.ping()
            flush()
        }
    }

    /// No new calls here; the connection closes with its last one.
    func retire() {
        guard !isRetired else { return }
        isRetired = true
        onRetire(self)
    }

    /// Ends every call and the connection.
    func close(_ error: RPCError) {
        endAll(error)
        context?.close(promise: nil)
    }

    private func endAll(_ error: RPCError) {
        retire()
        let ended = calls.values
        calls = [:]
        for call in ended { call.finish(.failure(error)) }
    }

    // MARK: Calls

    func start(_ call: ClientCall) {
        guard !isRetired else {
            return call.finish(.failure(RPCError(.unavailable, "the connection to \(name) is ending")))
        }
        var fields = [(name: ":path", value: call.path), (name: ":authority", value: authority)]
        if let deadline = call.deadline {
            fields.append(("grpc-timeout", GRPCTimeout.format(.nanoseconds((deadline - .now()).nanoseconds))))
        }
        for (name, value) in call.metadata.entries { fields.append((name, value)) }
        call.output = call.request
        let id = HeaderFields.request(fields) { session.request($0) }
        guard id > 0 else {
            retire()
            return call.finish(.failure(RPCError(.unavailable, "the connection to \(name) takes no more calls")))
        }
        call.connection = self
        call.stream = id
        calls[id] = call
        flush()
    }

    /// The caller no longer waits.
    func cancel(_ call: ClientCall) {
        guard calls.removeValue(forKey: call.stream) != nil else { return }
        session.reset(call.stream, NGHTTP2_CANCEL)
        giveBackWindow(call)
        flush()
    }

    func readerCaughtUp(_ call: ClientCall) {
        call.isReaderBehind = false
        giveBackWindow(call)
        flush()
    }

    private func giveBackWindow(_ call: ClientCall) {
        session.consume(call.stream, call.heldWindow, connection: false, stream: true)
        call.heldWindow = 0
    }

    private func fail(_ call: ClientCall, _ error: RPCError) {
        calls[call.stream] = nil
        session.reset(call.stream, NGHTTP2_CANCEL)
        call.finish(.failure(error))
    }
}

extension ClientConnection: HTTP2SessionDelegate {
    func sessionBeganHeaders(_ id: Int32) {}

    func session(_ id: Int32, header name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) {
        calls[id]?.take(name, value)
    }

    func session(_ id: Int32, finishedHeadersEndingStream endsStream: Bool) {
        guard let call = calls[id] else { return }
        if let error = call.finishedHeaders(endingAnswer: endsStream) { fail(call, error) }
    }

    func session(_ id: Int32, data: UnsafeRawBufferPointer) {
        guard let call = calls[id], let context else {
            return session.consume(id, data.count, connection: true, stream: true)
        }
        // The connection's window is for all calls: one slow reader may only stop its own stream.
        session.consume(id, data.count, connection: true, stream: false)
        do throws(RPCError) {
            try call.take(data, context.channel.allocator)
        } catch {
            session.consume(id, data.count, connection: false, stream: true)
            return fail(call, error)
        }
        call.heldWindow += data.count
        if !call.isReaderBehind { giveBackWindow(call) }
    }

    func sessionEndedStream(_ id: Int32) {}

    func session(_ id: Int32, closedWith errorCode: UInt32) {
        guard let call = calls.removeValue(forKey: id) else { return }
        switch errorCode {
        case NGHTTP2_NO_ERROR.rawValue: call.ended()
        case NGHTTP2_REFUSED_STREAM.rawValue where call.mayRetry: onRefused(call)
        case NGHTTP2_REFUSED_STREAM.rawValue:
            call.finish(.failure(RPCError(.unavailable, "\(call.path): the server at \(name) refuses calls")))
        case NGHTTP2_CANCEL.rawValue:
            call.finish(.failure(RPCError(.cancelled, "\(call.path): the server cancelled the call")))
        case NGHTTP2_ENHANCE_YOUR_CALM.rawValue:
            call.finish(.failure(RPCError(.resourceExhausted, "\(call.path): the server asks for fewer calls")))
        default:
            call.finish(
                .failure(
                    RPCError(.internalError, "\(call.path): the server reset the call (HTTP/2 error \(errorCode))")))
        }
    }

    func sessionReceivedReset() {}

    /// nghttp2 closes the calls above `lastStream` with REFUSED_STREAM by itself.
    func sessionReceivedGoAway(lastStream: Int32, errorCode: UInt32) { retire() }

    func sessionReceivedPingAck() {}

    func session(_ id: Int32, bodyUpTo limit: Int) -> HTTP2Body {
        guard let call = calls[id], var output = call.output, output.readableBytes > 0 else { return .end }
        let chunk = output.readSlice(length: min(limit, output.readableBytes))!
        call.output = output.readableBytes > 0 ? output : nil
        return .bytes(chunk, isLast: call.output == nil)
    }

    func sessionSubmitTrailers(_ id: Int32) -> Bool { false }
}
