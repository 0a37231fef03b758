import NIOCore
import NIOPosix
import Processes
import Synchronization

/// Hands on what arrives on a channel, and says when nothing more will.
final class ByteSink: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let take: @Sendable (ByteBuffer) -> Void
    private let ended: @Sendable () -> Void

    init(_ take: @escaping @Sendable (ByteBuffer) -> Void, ended: @escaping @Sendable () -> Void = {}) {
        self.take = take
        self.ended = ended
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { take(unwrapInboundIn(data)) }

    func channelInactive(context: ChannelHandlerContext) { ended() }

    // What follows is the end of the channel, which is all that matters here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// What a child says on its standard error: the last of it, for the message that tells why it failed.
final class ErrorOutput: Sendable {
    private static let limit = 8192
    private let kept = Mutex<[UInt8]>([])
    private let pair: SocketPair

    init() throws { pair = try SocketPair() }

    /// For the child; closed here once it runs.
    var descriptor: Descriptor { pair.other }

    /// Reads from now on.
    func attach(_ group: any EventLoopGroup) async throws -> any Channel {
        try await pair.channel(
            group,
            ByteSink { [self] bytes in
                kept.withLock { kept in
                    kept += bytes.readableBytesView
                    if kept.count > Self.limit { kept.removeFirst(kept.count - Self.limit) }
                }
            })
    }

    /// On one line.
    var text: String {
        kept.withLock { String(decoding: $0, as: UTF8.self) }
            .split(whereSeparator: \.isNewline).joined(separator: "; ")
    }
}

extension Channel {
    /// Until it has read its peer's last byte, but no longer than a process that inherited the other end lives on.
    func drained(within limit: TimeAmount = .seconds(2)) async {
        let timer = eventLoop.scheduleTask(in: limit) { self.close(promise: nil) }
        // A channel that ends with an error has ended all the same.
        closeFuture.whenComplete { _ in timer.cancel() }
        await withCheckedContinuation { continuation in
            closeFuture.whenComplete { _ in continuation.resume() }
        }
    }
}
