import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TLS

/// A TLS echo server on loopback, one client connection to it, and what both saw.
struct Loopback {
    struct Outcome: Sendable {
        var clientProtocol: String?
        var serverPeer: PeerIdentity?
        var serverError: (any Error)?
        var echoed: [UInt8] = []
    }

    static let group = MultiThreadedEventLoopGroup.singleton

    /// Sends `payload`, half-closes, and collects what comes back.
    static func run(server: TLSContext, client: TLSContext, serverName: String? = "localhost", payload: [UInt8]) async throws -> Outcome {
        let outcome = NIOLockedValueBox(Outcome())
        let listening = try await ServerBootstrap(group: group)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(TLSHandler(context: server), Echo(outcome: outcome))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        defer { listening.close(promise: nil) }
        let done = group.next().makePromise(of: [UInt8].self)
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: client, serverName: serverName), Collect(done: done, outcome: outcome))
                }
            }
            .connect(to: listening.localAddress!).get()
        channel.writeAndFlush(ByteBuffer(bytes: payload)).whenSuccess { channel.close(mode: .output, promise: nil) }
        let echoed = try await done.futureResult.get()
        try? await channel.close()
        return outcome.withLockedValue { outcome in
            outcome.echoed = echoed
            return outcome
        }
    }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let outcome: NIOLockedValueBox<Outcome>
        init(outcome: NIOLockedValueBox<Outcome>) { self.outcome = outcome }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted(_, let peer)? = event as? TLSEvent { outcome.withLockedValue { $0.serverPeer = peer } }
            if case .inputClosed? = event as? ChannelEvent { context.close(mode: .output, promise: nil) }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            outcome.withLockedValue { $0.serverError = error }
        }
    }

    private final class Collect: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let done: EventLoopPromise<[UInt8]>
        let outcome: NIOLockedValueBox<Outcome>
        var bytes: [UInt8] = []
        init(done: EventLoopPromise<[UInt8]>, outcome: NIOLockedValueBox<Outcome>) {
            self.done = done
            self.outcome = outcome
        }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { bytes += unwrapInboundIn(data).readableBytesView }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted(let name, _)? = event as? TLSEvent { outcome.withLockedValue { $0.clientProtocol = name } }
            if case .inputClosed? = event as? ChannelEvent { done.succeed(bytes) }
        }
        func channelInactive(context: ChannelHandlerContext) { done.succeed(bytes) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { done.fail(error) }
    }
}

/// A directory with certificates, removed at the end.
func withDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let directory = FileManager.default.temporaryDirectory.appending(path: "tls-\(UInt32.random(in: 0...UInt32.max))").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
}
