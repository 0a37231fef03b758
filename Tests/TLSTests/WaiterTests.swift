import NIOCore
import NIOEmbedded
import TLS
import Testing

@Suite("Waiting for a handshake") struct WaiterTests {
    private struct Unwanted: Error {}

    private final class Tail: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var seen: [String] = []
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            seen.append(String(buffer: unwrapInboundIn(data)))
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { seen.append("\(event)") }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { seen.append("\(error)") }
    }

    @Test("what comes before the pipeline is ready is delivered to it, in order")
    func order() throws {
        let channel = EmbeddedChannel()
        let tail = Tail()
        let ready = channel.eventLoop.makePromise(of: Void.self)
        var told: [String?] = []
        let waiter = TLSHandshakeWaiter { channel, negotiated, peer in
            told += [negotiated, peer?.commonName]
            return ready.futureResult.assumeIsolated().flatMapThrowing {
                try channel.pipeline.syncOperations.addHandler(tail)
            }.nonisolated()
        }
        try channel.pipeline.syncOperations.addHandler(waiter)
        channel.pipeline.fireUserInboundEventTriggered(
            TLSEvent.handshakeCompleted(protocol: "h2", peer: PeerIdentity(commonName: "alice")))
        #expect(told == ["h2", "alice"])
        for text in ["one", "two"] { channel.pipeline.fireChannelRead(ByteBuffer(string: text)) }
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(tail.seen == [])
        ready.succeed()
        channel.embeddedEventLoop.run()
        channel.pipeline.fireChannelRead(ByteBuffer(string: "three"))
        #expect(tail.seen == ["one", "two", "inputClosed", "three"])
        _ = try channel.finish()
    }

    @Test("a pipeline that cannot be made closes the channel, and says why")
    func failure() throws {
        let channel = EmbeddedChannel()
        let tail = Tail()
        let waiter = TLSHandshakeWaiter { channel, _, _ in channel.eventLoop.makeFailedFuture(Unwanted()) }
        try channel.pipeline.syncOperations.addHandlers(waiter, tail)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        channel.pipeline.fireUserInboundEventTriggered(TLSEvent.handshakeCompleted(protocol: nil, peer: nil))
        channel.embeddedEventLoop.run()
        #expect(tail.seen == ["Unwanted()"])
        #expect(!channel.isActive)
    }
}
