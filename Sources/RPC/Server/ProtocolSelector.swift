import NIOCore
import TLS

/// Waits for the TLS handshake and then lets `configure` build the pipeline for the protocol that was negotiated. Bytes
/// that come meanwhile are kept for it.
final class ProtocolSelector: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let configure: (any Channel, _ negotiated: String?, _ peer: PeerIdentity?) -> EventLoopFuture<Void>
    private var kept: [ByteBuffer] = []

    init(configure: @escaping (any Channel, String?, PeerIdentity?) -> EventLoopFuture<Void>) { self.configure = configure }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { kept.append(unwrapInboundIn(data)) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case .handshakeCompleted(let negotiated, let peer)? = event as? TLSEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        configure(context.channel, negotiated, peer).assumeIsolated().whenComplete { result in
            let (selector, context) = bound.value
            switch result {
            case .failure: context.close(promise: nil)
            case .success:
                for bytes in selector.kept { context.fireChannelRead(selector.wrapInboundOut(bytes)) }
                selector.kept = []
                context.fireChannelReadComplete()
                context.pipeline.syncOperations.removeHandler(selector, promise: nil)
            }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
