import NIOCore

/// One connection to or of a supervisor, frame by frame, with back-pressure both ways.
final class FrameConnection: Sendable {
    let channel: any Channel
    private let queue: FrameQueue

    /// Makes a connection of a channel that reads nothing by itself. Called on the channel's event loop.
    static func install(on channel: any Channel) throws -> FrameConnection {
        let queue = FrameQueue { [weak channel] in channel?.read() }
        try channel.pipeline.syncOperations.addHandler(FrameHandler(queue))
        return FrameConnection(channel, queue)
    }

    private init(_ channel: any Channel, _ queue: FrameQueue) {
        self.channel = channel
        self.queue = queue
    }

    /// The next frame; nil when the peer has closed. One reader at a time.
    func next() async throws -> ControlFrame? { try await queue.next() }

    /// Returns when the system has taken the bytes. Who is cancelled waits no longer; the frame is on its way all the same,
    /// whole, and what is sent after it, such as why it was cancelled, comes after it.
    func send(_ frame: ControlFrame) async throws {
        var bytes = ByteBuffer()
        frame.write(to: &bytes)
        let (taken, end) = AsyncThrowingStream.makeStream(of: Never.self)
        channel.writeAndFlush(bytes).whenComplete { result in
            switch result {
            case .success: end.finish()
            case .failure(let error): end.finish(throwing: error)
            }
        }
        for try await _ in taken {}
        try Task.checkCancellation()
    }

    /// Says that somebody is here, unless something else is on its way. Nobody waits for that, and nobody who is cancelled
    /// takes the connection along: what it was said for is still to be answered.
    func sendSignOfLife() {
        guard channel.isWritable else { return }
        var bytes = ByteBuffer()
        ControlFrame(.alive).write(to: &bytes)
        channel.writeAndFlush(bytes, promise: nil)
    }

    /// Sends bytes in frames of a size that lets others come between.
    func send(_ kind: ControlFrame.Kind, _ bytes: ByteBuffer) async throws {
        var rest = bytes
        while let part = rest.readSlice(length: min(rest.readableBytes, 128 << 10)), part.readableBytes > 0 {
            try await send(ControlFrame(kind, part))
        }
    }

    func close() { channel.close(promise: nil) }

    /// Until the connection is closed by either side.
    func waitUntilClosed() async {
        await withCheckedContinuation { continuation in
            channel.closeFuture.whenComplete { _ in continuation.resume() }
        }
    }
}

private final class FrameHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let queue: FrameQueue
    private var decoder = ControlFrameDecoder()

    init(_ queue: FrameQueue) { self.queue = queue }

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { context.read() }
    }

    func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        decoder.feed(unwrapInboundIn(data))
        do {
            while let frame = try decoder.next() { queue.offer(frame) }
        } catch {
            queue.finish(error)
            context.close(promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        if queue.hasRoom() { context.read() }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        let isTorn = decoder.pending > 0
        queue.finish(isTorn ? VZEngineError(.supervisorLost, "a control connection broke off within a message") : nil)
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        queue.finish(error)
        context.close(promise: nil)
    }
}
