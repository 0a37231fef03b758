import NIOCore
import NIOEmbedded
import TLS

/// A client and a server whose bytes a test carries across by hand. One thread only.
struct MemoryPair {
    struct Side {
        let channel: EmbeddedChannel
        let seen: Recorder

        init(_ context: TLSContext) throws {
            channel = EmbeddedChannel()
            channel.allowRemoteHalfClosure = true
            seen = Recorder()
            try channel.pipeline.syncOperations.addHandlers(
                HalfClosing(), TLSHandler(context: context, serverName: "localhost"), seen)
        }

        func connect() throws {
            channel.connect(to: try SocketAddress(ipAddress: "127.0.0.1", port: 1), promise: nil)
        }

        /// Encrypted bytes on their way to the other side.
        func output() throws -> ByteBuffer {
            var all = ByteBuffer()
            while let bytes = try channel.readOutbound(as: ByteBuffer.self) { all.writeImmutableBuffer(bytes) }
            return all
        }

        func input(_ bytes: ByteBuffer) {
            channel.pipeline.fireChannelRead(bytes)
            channel.pipeline.fireChannelReadComplete()
        }

        func send(_ text: String) -> EventLoopFuture<Void> { channel.writeAndFlush(ByteBuffer(string: text)) }
    }

    let client: Side
    let server: Side

    init(client: Side, server: Side) { (self.client, self.server) = (client, server) }

    init(_ directory: String) throws {
        let certificates = try Certificates(directory)
        client = try Side(.client(certificates.client))
        server = try Side(.server(certificates.server))
    }

    /// Carries bytes until neither side has any, in pieces of at most `size`.
    func pump(pieces size: Int = .max) throws {
        while true {
            var moved = 0
            for (from, to) in [(client, server), (server, client)] {
                var bytes = try from.output()
                moved += bytes.readableBytes
                while let piece = bytes.readSlice(length: min(size, bytes.readableBytes)), piece.readableBytes > 0 {
                    to.input(piece)
                }
            }
            if moved == 0 { return }
        }
    }

    func connect(pieces size: Int = .max) throws {
        try server.connect()
        try client.connect()
        try pump(pieces: size)
    }
}

/// An embedded channel closes altogether whatever is asked; a real one only stops sending.
private final class HalfClosing: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { promise?.succeed() } else { context.close(mode: mode, promise: promise) }
    }
}

/// What came out of a ``TLSHandler``.
final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var text = ""
    var handshakes = 0
    var inputEnds = 0
    var errors: [TLSError] = []
    var isInactive = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { text += String(buffer: unwrapInboundIn(data)) }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is TLSEvent { handshakes += 1 }
        if case .inputClosed? = event as? ChannelEvent { inputEnds += 1 }
    }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? TLSError { errors.append(error) }
    }
    func channelInactive(context: ChannelHandlerContext) { isInactive = true }
}
