public import NIOCore

/// The raw bytes of a connection after an upgrade. It closes at the latest when nobody holds it any more.
public struct RawConnection: Sendable {
    /// What the peer sends, until it closes its half. Reading slowly slows it down.
    public let inbound: HTTPBody
    private let holder: ChannelHolder
    private var channel: any Channel { holder.channel }
    public var eventLoop: any EventLoop { channel.eventLoop }

    init(holder: ChannelHolder, inbound: HTTPBody) {
        self.holder = holder
        self.inbound = inbound
    }

    /// Suspends until the system has taken the bytes.
    /// - Throws: when the connection is gone; `CancellationError`, and then the bytes may still be sent.
    public func write(_ bytes: ByteBuffer) async throws {
        guard bytes.readableBytes > 0 else { return }
        try Task.checkCancellation()
        try await channel.writeAndFlush(bytes).valueUnlessCancelled()
    }

    /// Queues the bytes in the order of the calls. The future completes when the system has taken them.
    public func send(_ bytes: ByteBuffer) -> EventLoopFuture<Void> { channel.writeAndFlush(bytes) }

    /// Says that no more bytes will come; the peer may go on sending.
    public func closeOutput() async throws { try await channel.close(mode: .output) }

    public func close() async { try? await channel.close() }

    /// Ends when the connection does.
    public func waitForClose() async { try? await channel.closeFuture.get() }

    /// Carries the bytes of each to the other, half-closes included, until both have ended, one is gone altogether or
    /// breaks; closes both.
    public static func relay(_ first: RawConnection, _ second: RawConnection) async {
        await withTaskGroup(of: Direction.self) { group in
            group.addTask { await pump(first, second) }
            group.addTask { await pump(second, first) }
            var ended = 0
            // A direction that ended well leaves the other to finish, unless nobody is there to hear it.
            for await direction in group {
                guard case .ended(let source) = direction else { break }
                ended += 1
                if ended == 2 { break }
                group.addTask {
                    await source.waitForClose()
                    return .broken
                }
            }
            group.cancelAll()
            await first.close()
            await second.close()
        }
    }

    private enum Direction: Sendable {
        /// The source said that it was done; its other half may still be open.
        case ended(RawConnection)
        case broken
    }

    private static func pump(_ source: RawConnection, _ sink: RawConnection) async -> Direction {
        do {
            for try await bytes in source.inbound { try await sink.write(bytes) }
            try await sink.closeOutput()
            return .ended(source)
        } catch {
            return .broken
        }
    }
}

/// Closes a channel that was forgotten.
final class ChannelHolder: Sendable {
    let channel: any Channel

    init(_ channel: any Channel) { self.channel = channel }

    deinit { channel.close(promise: nil) }
}

/// The last handler of an upgraded channel: hands its bytes to the reader at the reader's pace.
final class RawHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer

    private let source: HTTPBody.Producer.Source
    private var isReaderBehind = false
    private var wantsRead = false
    private var context: ChannelHandlerContext?

    private init(source: HTTPBody.Producer.Source) { self.source = source }

    /// Adds the handler to a channel whose other handlers leave.
    static func take(over channel: any Channel) throws -> RawConnection {
        let slot = NIOLoopBoundBox<RawHandler?>.makeEmptyBox(valueType: RawHandler.self, eventLoop: channel.eventLoop)
        let made = HTTPBody.makeProducer(
            InboundDelegate(
                eventLoop: channel.eventLoop, onDemand: { slot.value?.resume() },
                // The reader left: what still comes is nobody's. Writing may go on.
                onEnd: { slot.value?.discard() }))
        let handler = RawHandler(source: made.source)
        slot.value = handler
        try channel.pipeline.syncOperations.addHandler(handler)
        channel.closeFuture.assumeIsolated().whenComplete { _ in slot.value = nil }
        let holder = ChannelHolder(channel)
        return RawConnection(holder: holder, inbound: HTTPBody(made.sequence, holder: holder))
    }

    private var isDiscarding = false

    private func discard() {
        isDiscarding = true
        resume()
    }

    private func resume() {
        isReaderBehind = false
        guard wantsRead else { return }
        wantsRead = false
        context?.read()
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }
    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDiscarding else { return }
        if case .stopProducing = source.yield(unwrapInboundIn(data)) { isReaderBehind = true }
    }

    func read(context: ChannelHandlerContext) {
        if isReaderBehind { wantsRead = true } else { context.read() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent { source.finish() }
    }

    func channelInactive(context: ChannelHandlerContext) { source.finish() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        source.finish(HTTPError(.connectionLost, "the connection broke", cause: error))
        context.close(promise: nil)
    }
}
