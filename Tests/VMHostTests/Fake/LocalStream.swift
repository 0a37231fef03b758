import NIOCore
import NIOPosix
import Synchronization

@testable import VMHost

/// A connection of this host as one through a guest. Small amounts only: nothing holds a sender back.
final class LocalStream: GuestStream {
    private let channel: any Channel
    private let inbound: AsyncStream<ByteBuffer>

    static func connect(port: Int) async throws -> LocalStream {
        let (stream, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Reader(continuation))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return LocalStream(channel, stream)
    }

    private init(_ channel: any Channel, _ inbound: AsyncStream<ByteBuffer>) {
        self.channel = channel
        self.inbound = inbound
    }

    func next() async throws -> ByteBuffer? {
        var iterator = inbound.makeAsyncIterator()
        return await iterator.next()
    }

    func write(_ bytes: ByteBuffer) async throws { try await channel.writeAndFlush(bytes) }

    func closeOutput() async throws { try await channel.close(mode: .output) }

    func close() async { channel.close(promise: nil) }

    private final class Reader: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let continuation: AsyncStream<ByteBuffer>.Continuation

        init(_ continuation: AsyncStream<ByteBuffer>.Continuation) { self.continuation = continuation }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event as? ChannelEvent == .inputClosed { continuation.finish() }
        }

        func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
    }
}
