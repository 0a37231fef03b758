public import NIOCore

/// What a ``TLSHandler`` tells the handlers after it.
public enum TLSEvent: Sendable {
    /// - Parameter peer: whom a verified certificate names.
    case handshakeCompleted(protocol: String?, peer: PeerIdentity?)
}

/// TLS 1.2 and 1.3 for a channel, by OpenSSL over memory buffers.
///
/// Writes before the handshake is complete wait for it. A handshake that fails or takes longer than ten seconds closes
/// the channel after a ``TLSError``. `close(mode: .output)` sends close_notify.
public final class TLSHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    private enum State { case idle, handshaking, open, failed }

    private let tls: TLSContext
    private let serverName: String?
    private let handshakeTimeout: TimeAmount
    private var connection: TLSConnection?
    private var state = State.idle
    private var overdue: Scheduled<Void>?
    private var waiting: [(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)] = []
    private var wantsFlush = false
    private var inputClosedSeen = false
    private var producedData = false

    /// - Parameter serverName: what a client expects in the server's certificate; nil for the configured name.
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
        overdue?.cancel()
        if state == .handshaking {
            state = .failed
            context.fireErrorCaught(TLSError(.unavailable, "the connection ended during the TLS handshake"))
        }
        failWaiting(ChannelError.ioOnClosedChannel)
        context.fireChannelInactive()
    }

    public func handlerRemoved(context: ChannelHandlerContext) {
        overdue?.cancel()
        failWaiting(ChannelError.ioOnClosedChannel)
        connection = nil
    }

    private func start(_ context: ChannelHandlerContext) {
        guard state == .idle else { return }
        state = .handshaking
        do throws(TLSError) {
            connection = try TLSConnection(tls, serverName: serverName)
        } catch {
            return fail(context, error)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        overdue = context.eventLoop.scheduleTask(in: handshakeTimeout) {
            let (handler, context) = bound.value
            if handler.state == .handshaking { handler.fail(context, TLSError(.unavailable, "the TLS handshake was not finished in time")) }
        }
        advance(context)
    }

    // MARK: Reading

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard let connection, state != .failed else { return }
        connection.feed(unwrapInboundIn(data))
        if state == .handshaking { advance(context) }
        if state == .open { deliver(context) }
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        // A read that brought only handshake bytes must not end the reader's demand.
        if !producedData, state != .failed { context.read() }
        producedData = false
        context.fireChannelReadComplete()
    }

    private func advance(_ context: ChannelHandlerContext) {
        guard let connection else { return }
        do throws(TLSError) {
            let progress = try connection.handshake()
            sendOutput(context, nil)
            context.flush()
            guard progress == .done else { return }
        } catch {
            return fail(context, error)
        }
        state = .open
        overdue?.cancel()
        context.fireUserInboundEventTriggered(
            TLSEvent.handshakeCompleted(protocol: connection.applicationProtocol, peer: connection.peer))
        if wantsFlush { flush(context: context) }
    }

    private func deliver(_ context: ChannelHandlerContext) {
        guard let connection else { return }
        do throws(TLSError) {
            while let bytes = try connection.read(context.channel.allocator) {
                producedData = true
                context.fireChannelRead(wrapInboundOut(bytes))
                guard state == .open else { return }
            }
        } catch {
            return fail(context, error)
        }
        // Key updates and the like want an answer.
        if sendOutput(context, nil) { context.flush() }
        if connection.isInputClosed, !inputClosedSeen {
            inputClosedSeen = true
            let keepsWriting = (try? context.channel.syncOptions?.getOption(.allowRemoteHalfClosure)) ?? false
            if keepsWriting {
                context.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            } else {
                context.close(promise: nil)
            }
        }
    }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent {
            // Said once, by close_notify or by the end of the connection's bytes.
            if inputClosedSeen { return }
            inputClosedSeen = true
            if state == .handshaking { return fail(context, TLSError(.unavailable, "the connection ended during the TLS handshake")) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    // MARK: Writing

    public func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard state != .failed else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        waiting.append((unwrapOutboundIn(data), promise))
    }

    public func flush(context: ChannelHandlerContext) {
        guard state == .open, let connection else {
            wantsFlush = true
            return
        }
        wantsFlush = false
        let batch = waiting
        waiting = []
        guard !batch.isEmpty else { return context.flush() }
        var promises: [EventLoopPromise<Void>] = []
        do throws(TLSError) {
            for (bytes, promise) in batch {
                if let promise { promises.append(promise) }
                try connection.write(bytes)
            }
        } catch {
            for (_, promise) in batch { promise?.fail(error) }
            return fail(context, error)
        }
        let all = promises.isEmpty ? nil : context.eventLoop.makePromise(of: Void.self)
        for promise in promises { all?.futureResult.cascade(to: promise) }
        if !sendOutput(context, all) { all?.succeed(()) }
        context.flush()
    }

    @discardableResult
    private func sendOutput(_ context: ChannelHandlerContext, _ promise: EventLoopPromise<Void>?) -> Bool {
        guard let bytes = connection?.takeOutput(context.channel.allocator) else { return false }
        context.write(wrapOutboundOut(bytes), promise: promise)
        return true
    }

    // MARK: Closing

    public func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode != .input, state == .open {
            flush(context: context)
            connection?.closeOutput()
            if sendOutput(context, nil) { context.flush() }
        }
        context.close(mode: mode, promise: promise)
    }

    private func fail(_ context: ChannelHandlerContext, _ error: TLSError) {
        guard state != .failed else { return }
        // The alert that tells the peer why.
        if sendOutput(context, nil) { context.flush() }
        state = .failed
        overdue?.cancel()
        failWaiting(error)
        context.fireErrorCaught(error)
        context.close(promise: nil)
    }

    private func failWaiting(_ error: any Error) {
        let batch = waiting
        waiting = []
        for (_, promise) in batch { promise?.fail(error) }
    }
}
