import NIOCore
import NIOHTTP2

/// Asks the other end of an HTTP/2 connection now and then whether it is there, and ends the connection when no answer comes
/// (RFC 9113, section 6.7). Watches say nothing for minutes: without it one whose connection has died by itself, as behind a
/// balancer that forgot it, would be noticed late.
final class ConnectionPings: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTP2Frame
    typealias InboundOut = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// As Kubernetes' own clients have it.
    static let interval = TimeAmount.seconds(30)
    static let patience = TimeAmount.seconds(15)

    private static let question = HTTP2PingData(withInteger: 0x767A_6372_6970_6E67)

    private var next: Scheduled<Void>?

    func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { wait(context) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { next?.cancel() }

    func channelActive(context: ChannelHandlerContext) {
        wait(context)
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        next?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .ping(Self.question, ack: true) = unwrapInboundIn(data).payload { wait(context) }
        context.fireChannelRead(data)
    }

    private func wait(_ context: ChannelHandlerContext) {
        next?.cancel()
        next = context.eventLoop.assumeIsolated().scheduleTask(in: Self.interval) { self.ask(context) }
    }

    private func ask(_ context: ChannelHandlerContext) {
        let frame = HTTP2Frame(streamID: .rootStream, payload: .ping(Self.question, ack: false))
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        next = context.eventLoop.assumeIsolated().scheduleTask(in: Self.patience) { context.close(promise: nil) }
    }
}
