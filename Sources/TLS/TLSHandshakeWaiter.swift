public import NIOCore

/// Stands behind a ``TLSHandler``: waits for the handshake and then lets `configure` build the rest of the pipeline for
/// the protocol that was negotiated. What comes meanwhile is kept for it, in order.
public final class TLSHandshakeWaiter: ChannelInboundHandler, RemovableChannelHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias Configure =
        (_ channel: any Channel, _ negotiated: String?, _ peer: PeerIdentity?) -> EventLoopFuture<Void>

    private let configure: Configure
    private var kept: [ByteBuffer] = []
    private var inputEnded = false

    public init(_ configure: @escaping Configure) { self.configure = configure }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) { kept.append(unwrapInboundIn(data)) }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case TLSEvent.handshakeCompleted(let negotiated, let peer):
            let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
            configure(context.channel, negotiated, peer).assumeIsolated().whenComplete { result in
                let (waiter, context) = bound.value
                switch result {
                case .success: waiter.handOver(context)
                case .failure(let error):
                    context.fireErrorCaught(error)
                    context.close(promise: nil)
                }
            }
        case ChannelEvent.inputClosed: inputEnded = true
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    private func handOver(_ context: ChannelHandlerContext) {
        let bytes = kept
        kept = []
        for bytes in bytes { context.fireChannelRead(wrapInboundOut(bytes)) }
        context.fireChannelReadComplete()
        if inputEnded { context.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
