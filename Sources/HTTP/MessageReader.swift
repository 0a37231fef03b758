import NIOCore
import NIOHTTP1

/// Turns the bytes of a connection into messages, until it is told that they are of another protocol.
///
/// `ByteToMessageHandler` cannot do the latter well: it hands over what it has read too much some time after it was
/// removed, and drops it when the connection ends before, as it does when an answer is short. Here the switch happens at
/// once, between two bytes.
final class MessageReader<In, Out>: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private enum State {
        case messages
        /// What comes is kept for the next protocol.
        case held(inputClosed: Bool)
        case raw
        case dropping
    }

    let decoder: HTTPDecoder<In, Out>
    private var state = State.messages
    private var buffer = ByteBuffer()
    private var isDecoding = false
    private var sawEnd = false
    private var endedMeanwhile = false
    private var context: ChannelHandlerContext?
    /// Told of bytes before they have become a message.
    var onBytes: (() -> Void)?
    /// Told that bytes are held, once the decoder has returned.
    var onHold: (() -> Void)?

    init(_ decoder: HTTPDecoder<In, Out>) { self.decoder = decoder }

    var isHolding: Bool { if case .held = state { true } else { false } }

    /// The message that was just passed on is the last one.
    func hold() {
        if case .messages = state { state = .held(inputClosed: false) }
    }

    /// Passes on what was held and what comes from now on as it is.
    func release() {
        guard case .held(let inputClosed) = state, let context else { return }
        state = .raw
        if buffer.readableBytes > 0 {
            let bytes = buffer
            buffer = ByteBuffer()
            context.fireChannelRead(wrapInboundOut(bytes))
            context.fireChannelReadComplete()
        }
        if inputClosed { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }

    /// Drops all bytes from now on.
    func drop() {
        let held = state
        state = .dropping
        buffer = ByteBuffer()
        if case .held(inputClosed: true) = held { context?.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
    }

    // MARK: The channel

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        decoder.decoderAdded(context: context)
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        decoder.decoderRemoved(context: context)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .messages:
            onBytes?()
            append(unwrapInboundIn(data))
            decode(context)
        case .held: append(unwrapInboundIn(data))
        case .raw: context.fireChannelRead(data)
        case .dropping: break
        }
    }

    private func append(_ bytes: ByteBuffer) {
        var bytes = bytes
        if buffer.readableBytes == 0 { buffer = bytes } else { buffer.writeBuffer(&bytes) }
    }

    private func decode(_ context: ChannelHandlerContext) {
        guard !isDecoding else { return }
        isDecoding = true
        var known: Int
        repeat {
            var bytes = buffer
            buffer = ByteBuffer()
            do {
                _ = try decoder.decode(context: context, buffer: &bytes)
            } catch {
                fail(error, context)
            }
            // What came while the decoder ran stands behind what it left.
            known = bytes.readableBytes
            bytes.writeBuffer(&buffer)
            buffer = bytes
        } while buffer.readableBytes > known && isReading
        isDecoding = false
        if case .dropping = state { buffer = ByteBuffer() }
        if buffer.readableBytes == 0 {
            buffer = ByteBuffer()
        } else if buffer.readerIndex > 4096 {
            buffer.discardReadBytes()
        }
        if isHolding { onHold?() }
        if endedMeanwhile { finish(context) }
    }

    private var isReading: Bool { if case .messages = state { true } else { false } }

    private func fail(_ error: any Error, _ context: ChannelHandlerContext) {
        drop()
        context.fireErrorCaught(error)
    }

    /// The last bytes may be a whole message only now: a body without a length ends here.
    private func finish(_ context: ChannelHandlerContext) {
        guard !isDecoding else { return endedMeanwhile = true }
        guard !sawEnd, isReading else { return }
        sawEnd = true
        isDecoding = true
        defer { isDecoding = false }
        var bytes = buffer
        buffer = ByteBuffer()
        do {
            _ = try decoder.decodeLast(context: context, buffer: &bytes, seenEOF: true)
        } catch {
            fail(error, context)
        }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .inputClosed? = event as? ChannelEvent else { return context.fireUserInboundEventTriggered(event) }
        if isHolding {
            state = .held(inputClosed: true)
        } else {
            finish(context)
            context.fireUserInboundEventTriggered(event)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(context)
        context.fireChannelInactive()
    }
}
