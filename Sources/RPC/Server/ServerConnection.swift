import CNGHTTP2
import Logging
import NIOCore

/// One client connection: bytes in, HTTP/2, calls, answers out. Everything that a batch of reads produces leaves in one
/// write.
final class ServerConnection: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    let router: Router
    let limits: ServerLimits
    let observer: (@Sendable (_ method: String, _ code: RPCError.Code?, _ elapsed: TimeAmount) -> Void)?
    let session: HTTP2Session
    private(set) var context: ChannelHandlerContext?
    var streams: [Int32: ServerStream] = [:]
    private(set) var peer = Peer(address: nil, identity: nil)
    private var identity: String?
    private var isReading = false
    private enum Drain { case none, announced, refusing }
    private var drain = Drain.none
    private var isClosing = false
    /// Streams that were answered before the caller had sent all; they are reset after the answer has left.
    var unwanted: [Int32] = []
    var resets: (since: NIODeadline, count: Int) = (.now(), 0)
    private var keepalive: RepeatedTask?
    private var lastRead = NIODeadline.now()

    init(
        router: Router, limits: ServerLimits, identity: String?,
        observer: (@Sendable (String, RPCError.Code?, TimeAmount) -> Void)?
    ) {
        self.router = router
        self.limits = limits
        self.identity = identity
        self.observer = observer
        session = HTTP2Session(
            role: .server,
            settings: .init(
                maxConcurrentStreams: limits.concurrentStreams, initialWindow: 1 << 20, connectionWindow: 16 << 20,
                maxHeaderListSize: UInt32(limits.headers)))
        session.delegate = self
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        if context.channel.isActive { start(context) }
    }

    func channelActive(context: ChannelHandlerContext) {
        start(context)
        context.fireChannelActive()
    }

    private func start(_ context: ChannelHandlerContext) {
        guard keepalive == nil else { return }
        let isTCP = context.remoteAddress?.protocol != .unix
        peer = Peer(address: isTCP ? context.remoteAddress : nil, identity: identity)
        if isTCP {
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            let interval = TimeAmount.nanoseconds(limits.keepaliveInterval.wholeNanoseconds)
            keepalive = context.eventLoop.scheduleRepeatedTask(initialDelay: interval, delay: interval) { _ in
                bound.value.checkAlive()
            }
        }
        flush()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        isReading = true
        lastRead = .now()
        let bytes = unwrapInboundIn(data)
        if !bytes.withUnsafeReadableBytes({ session.receive($0) }) {
            flush()
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        isReading = false
        flush()
        context.fireChannelReadComplete()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable { flush() }
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        keepalive?.cancel()
        for stream in streams.values { stream.cancel() }
        streams = [:]
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // HTTP/2 does not go on in one direction.
        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Sends what the session has to say, unless a batch of reads is under way: its end sends once for all.
    func flush() {
        guard !isReading, let context else { return }
        var wrote = writeOutput(context)
        if !unwanted.isEmpty, context.channel.isWritable {
            // Only now: nghttp2 would drop an answer whose stream is being reset.
            for stream in unwanted { session.reset(stream, NGHTTP2_NO_ERROR) }
            unwanted = []
            wrote = writeOutput(context) || wrote
        }
        if wrote { context.flush() }
        if session.isFinished || (drain == .refusing && streams.isEmpty && context.channel.isWritable) {
            closeAfterWrites()
        }
    }

    private func writeOutput(_ context: ChannelHandlerContext) -> Bool {
        var wrote = false
        while context.channel.isWritable,
            let bytes = session.send(limit: 128 << 10, allocator: context.channel.allocator)
        {
            context.write(wrapOutboundOut(bytes), promise: nil)
            wrote = true
        }
        return wrote
    }

    /// Closes once what is queued has left, so that a last GOAWAY is not lost.
    private func closeAfterWrites() {
        guard !isClosing, let context else { return }
        isClosing = true
        let channel = context.channel
        context.writeAndFlush(wrapOutboundOut(ByteBuffer())).whenComplete { _ in channel.close(promise: nil) }
    }

    private func checkAlive() {
        guard let context else { return }
        let silence = NIODeadline.now() - lastRead
        let interval = TimeAmount.nanoseconds(limits.keepaliveInterval.wholeNanoseconds)
        let patience = interval + .nanoseconds(limits.keepaliveTimeout.wholeNanoseconds)
        if silence > patience {
            context.close(promise: nil)
        } else if silence >= interval {
            session.ping()
            flush()
        }
    }

    /// Tells the client to open no more calls, gives those on their way a round trip to arrive, then refuses new ones.
    /// The connection closes with the last call.
    func beginDrain() {
        guard drain == .none, let context else { return }
        drain = .announced
        session.announceShutdown()
        session.ping()
        let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
        context.eventLoop.scheduleTask(in: .seconds(1)) {
            bound.value.refuseNewCalls()
            bound.value.flush()
        }
        flush()
    }

    func refuseNewCalls() {
        guard drain == .announced else { return }
        drain = .refusing
        session.goAway()
    }
}
