public import NIOCore

/// What a ``TLSHandler`` tells the handlers behind it, as a user inbound event.
public enum TLSEvent: Sendable, Hashable {
    /// The connection is private now. `protocol` is what ALPN chose; `peer` is whom the other side's certificate names,
    /// `nil` when it showed none or none was to be verified.
    case handshakeCompleted(protocol: String?, peer: PeerIdentity?)
}

/// TLS 1.2 and 1.3 for a channel, by OpenSSL over memory buffers.
///
/// Writes before the handshake is complete wait for it. A handshake that fails or takes too long, a broken record and a
/// connection that ends without its close_notify close the channel after a ``TLSError`` went through the pipeline.
/// `close(mode: .output)` sends close_notify and then ends the TCP output; what comes in is still delivered. The other
/// side's close_notify is `ChannelEvent.inputClosed` where the channel allows remote half closure, else it closes.
public final class TLSHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    private enum State {
        /// The channel is not active yet.
        case idle
        /// Until the scheduled task ends the attempt.
        case handshaking(TLSConnection, Scheduled<Void>)
        case open(TLSConnection)
        /// Closed or failed: nothing is sent or delivered any more.
        case closed
    }

    private let tls: TLSContext
    private let serverName: String?
    private let handshakeTimeout: TimeAmount
    private var state = State.idle
    private var waiting: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
    private var wantsFlush = false
    /// Asked for before the handshake was complete.
    private var wantedOutputClose: EventLoopPromise<Void>??
    /// The other side said that it sends no more.
    private var inputEnded = false
    private var wantsRead = false
    private var delivered = false

    /// - Parameters:
    ///   - context: whose role decides whether this is the server's or the client's side.
    ///   - serverName: the name or address a client dialled; its configuration's `serverName` goes before, the address
    ///     of the connection comes after it.
    ///   - handshakeTimeout: how long the handshake may take.
    public init(context: TLSContext, serverName: String? = nil, handshakeTimeout: TimeAmount = .seconds(10)) {
        tls = context
        self.serverName = serverName
        self.handshakeTimeout = handshakeTimeout
    }

    // MARK: Life

    public func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { start(context) }
    }

    public func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    public func channelInactive(context: ChannelHandlerContext) {
        switch state {
        case .handshaking:
            fail(context, TLSError(.handshakeFailed, "the TLS handshake failed: the other side closed the connection"))
        case .open where !inputEnded: fail(context, Self.truncated)
        case .idle, .open, .closed: end(ChannelError.ioOnClosedChannel)
        }
        context.fireChannelInactive()
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        end(ChannelError.ioOnClosedChannel)
    }

    private func start(_ context: ChannelHandlerContext) {
        guard case .idle = state else { return }
        do throws(TLSError) {
            let connection = try TLSConnection(
                tls.handle, serverName: serverName ?? context.channel.remoteAddress?.ipAddress)
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            let overdue = context.eventLoop.scheduleTask(in: handshakeTimeout) {
                let (handler, context) = bound.value
                if case .handshaking = handler.state { handler.fail(context, handler.overdue) }
            }
            state = .handshaking(connection, overdue)
        } catch {
            return fail(context, error)
        }
        advance(context)
        // Even where nobody reads by themselves, the handshake has to.
        if case .handshaking = state { context.read() }
    }

    private var overdue: TLSError {
        TLSError(.timedOut, "the TLS handshake was not complete after \(handshakeTimeout.nanoseconds / 1_000_000) ms")
    }

    private static let truncated = TLSError(
        .truncated, "the other side ended the connection without a TLS close_notify: data may be missing")

    // MARK: Reading

    public func read(context: ChannelHandlerContext) {
        wantsRead = true
        context.read()
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .handshaking(let connection, _), .open(let connection): connection.feed(unwrapInboundIn(data))
        case .idle, .closed: return
        }
        advance(context)
        deliver(context)
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        let needsMore: Bool
        switch state {
        case .handshaking: needsMore = true
        case .open: needsMore = wantsRead && !delivered
        case .idle, .closed: needsMore = false
        }
        if delivered { wantsRead = false }
        delivered = false
        context.fireChannelReadComplete()
        // What came was the handshake's or part of a record: whoever asked for data is still waiting.
        if needsMore { context.read() }
    }

    private func advance(_ context: ChannelHandlerContext) {
        guard case .handshaking(let connection, let overdue) = state else { return }
        do throws(TLSError) {
            let progress = try connection.handshake()
            send(context, connection)
            guard progress == .done else { return }
        } catch {
            return fail(context, error)
        }
        overdue.cancel()
        state = .open(connection)
        context.fireUserInboundEventTriggered(
            TLSEvent.handshakeCompleted(protocol: connection.applicationProtocol, peer: connection.peer))
        if wantsFlush { flush(context: context) }
        if let promise = wantedOutputClose {
            wantedOutputClose = nil
            closeOutput(context, promise)
        }
    }

    private func deliver(_ context: ChannelHandlerContext) {
        // Whoever gets the bytes may close or fail the connection in between.
        while case .open(let connection) = state, !inputEnded {
            do throws(TLSError) {
                switch try connection.read(context.channel.allocator) {
                case .bytes(let bytes):
                    delivered = true
                    context.fireChannelRead(wrapInboundOut(bytes))
                case .wantsInput:
                    // Answers to key updates, for one.
                    return send(context, connection)
                case .ended:
                    inputEnded = true
                    send(context, connection)
                    if allowsHalfClosure(context) {
                        context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
                    } else {
                        close(context: context, mode: .all, promise: nil)
                    }
                }
            } catch {
                return fail(context, error)
            }
        }
    }

    private func allowsHalfClosure(_ context: ChannelHandlerContext) -> Bool {
        do {
            return try context.channel.syncOptions?.getOption(.allowRemoteHalfClosure) ?? false
        } catch {
            return false  // a channel that knows no such thing
        }
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        switch state {
        case .handshaking:
            fail(context, TLSError(.handshakeFailed, "the TLS handshake failed: the other side closed the connection"))
        case .open where !inputEnded: fail(context, Self.truncated)
        case .open, .closed: break  // said already
        case .idle: context.fireUserInboundEventTriggered(event)
        }
    }

    // MARK: Writing

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch state {
        case .open(let connection) where connection.isOutputClosed: promise?.fail(ChannelError.outputClosed)
        case .idle, .handshaking, .open: waiting.append((unwrapOutboundIn(data), promise))
        case .closed: promise?.fail(ChannelError.ioOnClosedChannel)
        }
    }

    public func flush(context: ChannelHandlerContext) {
        guard case .open(let connection) = state else {
            wantsFlush = true
            return
        }
        wantsFlush = false
        let batch = waiting
        waiting = []
        do throws(TLSError) {
            try encrypt(batch.map(\.bytes), connection)
        } catch {
            for (_, promise) in batch { promise?.fail(error) }
            return fail(context, error)
        }
        let promises = batch.compactMap(\.promise)
        guard let first = promises.first else { return send(context, connection) }
        // What was encrypted together is sent together, or not at all.
        for promise in promises.dropFirst() { first.futureResult.cascade(to: promise) }
        send(context, connection, first)
    }

    /// Small pieces share a record: each record costs 22 bytes or more, and a pass of the cipher.
    private func encrypt(_ pieces: [ByteBuffer], _ connection: TLSConnection) throws(TLSError) {
        let record = 16 * 1024
        var gathered: ByteBuffer?
        for piece in pieces {
            guard var sum = gathered else {
                gathered = piece
                continue
            }
            gathered = nil  // so that appending does not copy
            if sum.readableBytes + piece.readableBytes <= record {
                sum.writeImmutableBuffer(piece)
                gathered = sum
            } else {
                try connection.write(sum)
                gathered = piece
            }
        }
        if let gathered { try connection.write(gathered) }
    }

    /// Hands what is encrypted to the channel, and flushes it.
    private func send(
        _ context: ChannelHandlerContext, _ connection: TLSConnection, _ promise: EventLoopPromise<Void>? = nil
    ) {
        guard let bytes = connection.takeOutput(context.channel.allocator) else {
            promise?.succeed()
            return
        }
        context.writeAndFlush(wrapOutboundOut(bytes), promise: promise)
    }

    // MARK: Closing

    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (mode, state) {
        case (.input, .idle), (.input, .handshaking), (.input, .open):
            promise?.fail(ChannelError.operationUnsupported)
        case (.output, .handshaking): wantedOutputClose = .some(promise)
        case (.output, .open): closeOutput(context, promise)
        case (.all, .open(let connection)):
            flush(context: context)
            connection.closeOutput()
            send(context, connection)
            end(ChannelError.ioOnClosedChannel)
            context.close(mode: .all, promise: promise)
        case (.all, .handshaking):
            end(ChannelError.ioOnClosedChannel)
            context.close(mode: .all, promise: promise)
        case (_, .idle), (_, .closed): context.close(mode: mode, promise: promise)
        }
    }

    private func closeOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) {
        flush(context: context)
        guard case .open(let connection) = state, !connection.isOutputClosed else {
            promise?.fail(ChannelError.outputClosed)
            return
        }
        connection.closeOutput()
        // The channel drops what it has not sent when its output is closed: wait for the last byte.
        let sent = context.eventLoop.makePromise(of: Void.self)
        let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
        sent.futureResult.whenComplete { result in
            switch result {
            case .success: bound.value.close(mode: .output, promise: promise)
            case .failure(let error): promise?.fail(error)
            }
        }
        send(context, connection, sent)
    }

    private func fail(_ context: ChannelHandlerContext, _ error: TLSError) {
        switch state {
        case .handshaking(let connection, _), .open(let connection): send(context, connection)  // the alert
        case .closed: return
        case .idle: break
        }
        end(error)
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }

    /// Nothing goes in or out from here.
    private func end(_ error: any Error) {
        if case .handshaking(_, let overdue) = state { overdue.cancel() }
        state = .closed
        let batch = waiting
        waiting = []
        for (_, promise) in batch { promise?.fail(error) }
        if let promise = wantedOutputClose {
            wantedOutputClose = nil
            promise?.fail(error)
        }
    }
}
