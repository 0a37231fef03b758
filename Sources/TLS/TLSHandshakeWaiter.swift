public import NIOCore

/// Stands behind a ``TLSHandler``: waits for the handshake and then lets `configure` build the rest of the pipeline for
/// the protocol that was negotiated. Bytes that come meanwhile are kept for it.
public final class TLSHandshakeWaiter: ChannelInboundHandler, RemovableChannelHandler {
    public typealias InboundIn = ByteBuffer
    public typealias InboundOut = ByteBuffer
    public typealias Configure = (_ channel: any Channel, _ negotiated: String?, _ peer: PeerIdentity?) -> EventLoopFuture<Void>

    private let configure: Configure
    private var kept: [ByteBuffer] = []

    public init(_ configure: @escaping Configure) { self.configure = configure }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) { kept.append(unwrapInboundIn(data)) }

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let negotiated, let peer)? = event as? TLSEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        configure(context.channel, negotiated, peer).assumeIsolated().whenComplete { result in
            let (waiter, context) = bound.value
            switch result {
            case .failure: context.close(promise: nil)
            case .success:
                for bytes in waiter.kept { context.fireChannelRead(waiter.wrapInboundOut(bytes)) }
                waiter.kept = []
                context.fireChannelReadComplete()
                context.pipeline.syncOperations.removeHandler(waiter, promise: nil)
            }
        }
    }
}
