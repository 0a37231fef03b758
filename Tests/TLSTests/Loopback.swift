import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Support
import TLS

/// A TLS echo server on loopback, one client connection to it, and what both saw.
struct Loopback {
    struct Outcome: Sendable {
        var clientProtocol: String?
        var serverPeer: PeerIdentity?
        var clientError: TLSError?
        var serverError: TLSError?
        var echoed: [UInt8] = []
    }

    static let group = MultiThreadedEventLoopGroup.singleton

    /// Sends `payload`, half-closes, collects what comes back, and waits until both sides are closed.
    static func run(
        server: TLSContext, client: TLSContext, serverName: String? = "localhost", payload: [UInt8]
    ) async throws -> Outcome {
        let seen = NIOLockedValueBox(Outcome())
        let server = try await EchoServer(context: server) { error in
            seen.withLockedValue { $0.serverError = error }
        } handshake: { _, peer in
            seen.withLockedValue { $0.serverPeer = peer }
        }
        let collected = group.next().makePromise(of: [UInt8].self)
        let channel = try await ClientBootstrap(group: group)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: client, serverName: serverName), Collect(collected, seen))
                }
            }
            .connect(host: "127.0.0.1", port: server.port).get()
        channel.writeAndFlush(ByteBuffer(bytes: payload)).whenSuccess { channel.close(mode: .output, promise: nil) }
        let echoed = try await collected.futureResult.get()
        channel.close(promise: nil)
        await server.close()
        return seen.withLockedValue { outcome in
            outcome.echoed = echoed
            return outcome
        }
    }

    private final class Collect: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let collected: EventLoopPromise<[UInt8]>
        let seen: NIOLockedValueBox<Outcome>
        var bytes: [UInt8] = []
        init(_ collected: EventLoopPromise<[UInt8]>, _ seen: NIOLockedValueBox<Outcome>) {
            (self.collected, self.seen) = (collected, seen)
        }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            bytes += unwrapInboundIn(data).readableBytesView
        }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted(let name, _)? = event as? TLSEvent {
                seen.withLockedValue { $0.clientProtocol = name }
            }
            if case .inputClosed? = event as? ChannelEvent { collected.succeed(bytes) }
        }
        func channelInactive(context: ChannelHandlerContext) { collected.succeed(bytes) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            seen.withLockedValue { $0.clientError = error as? TLSError }
        }
    }
}

/// Echoes what it decrypts, answers the end of the input with the end of its output, and then closes.
final class EchoServer: Sendable {
    private let listening: any Channel
    private let connections: NIOLockedValueBox<[any Channel]>
    let port: Int

    init(
        context: TLSContext, handshakeTimeout: TimeAmount = .seconds(10), autoRead: Bool = true,
        closesAfterLine: Bool = false,
        error: @escaping @Sendable (TLSError) -> Void = { _ in },
        handshake: @escaping @Sendable (String?, PeerIdentity?) -> Void = { _, _ in }
    ) async throws {
        let connections = NIOLockedValueBox<[any Channel]>([])
        listening = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelOption(.autoRead, value: autoRead)
            .childChannelInitializer { channel in
                connections.withLockedValue { $0.append(channel) }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers(
                        TLSHandler(context: context, handshakeTimeout: handshakeTimeout),
                        Echo(isPulling: !autoRead, closesAfterLine: closesAfterLine, error: error, handshake: handshake)
                    )
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        self.connections = connections
        port = listening.localAddress?.port ?? 0
    }

    /// Returns when all connections that were accepted are closed.
    func close() async {
        listening.close(promise: nil)
        for channel in connections.withLockedValue({ $0 }) { _ = try? await channel.closeFuture.get() }
    }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let isPulling: Bool
        private let closesAfterLine: Bool
        private let error: @Sendable (TLSError) -> Void
        private let handshake: @Sendable (String?, PeerIdentity?) -> Void
        init(
            isPulling: Bool, closesAfterLine: Bool, error: @escaping @Sendable (TLSError) -> Void,
            handshake: @escaping @Sendable (String?, PeerIdentity?) -> Void
        ) {
            (self.isPulling, self.closesAfterLine, self.error, self.handshake) = (
                isPulling, closesAfterLine, error, handshake
            )
        }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let isLine = unwrapInboundIn(data).readableBytesView.last == UInt8(ascii: "\n")
            context.writeAndFlush(data, promise: nil)
            if closesAfterLine, isLine { context.close(promise: nil) }
        }
        func channelReadComplete(context: ChannelHandlerContext) { if isPulling { context.read() } }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .handshakeCompleted(let name, let peer)? = event as? TLSEvent {
                handshake(name, peer)
                if isPulling { context.read() }
            }
            if case .inputClosed? = event as? ChannelEvent {
                let channel = context.channel
                context.close(mode: .output).whenComplete { _ in channel.close(promise: nil) }
            }
        }
        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            if let error = error as? TLSError { self.error(error) }
        }
    }
}

/// A connection without TLS that reads until the end.
func plainConnection(port: Int, sending bytes: [UInt8], thenClose: Bool = false) async throws -> [UInt8] {
    let promise = MultiThreadedEventLoopGroup.singleton.next().makePromise(of: [UInt8].self)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .channelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Everything(promise))
            }
        }
        .connect(host: "127.0.0.1", port: port).get()
    channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)  // the other side may have closed already
    if thenClose { channel.close(promise: nil) }
    return try await promise.futureResult.get()
}

private final class Everything: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let promise: EventLoopPromise<[UInt8]>
    private var bytes: [UInt8] = []
    init(_ promise: EventLoopPromise<[UInt8]>) { self.promise = promise }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) { bytes += unwrapInboundIn(data).readableBytesView }
    func channelInactive(context: ChannelHandlerContext) { promise.succeed(bytes) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {}
}

/// A directory with certificates, removed at the end.
func withDirectory<R>(_ body: (String) async throws -> R) async throws -> R {
    let directory = FileManager.default.temporaryDirectory.appending(path: "tls-\(UInt32.random(in: 0...UInt32.max))")
        .path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    return try await body(directory)
}

/// The command-line program that comes with the library.
func openssl(_ arguments: String..., input: String? = nil) async throws -> ChildProcess.Outcome {
    try await ChildProcess.run("/usr/bin/env", ["openssl"] + arguments, input: input)
}
