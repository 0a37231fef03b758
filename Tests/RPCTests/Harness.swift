import Foundation
import Logging
import NIOCore
import NIOPosix
import RPC
import Sockets
import Support
import Testing

/// A server of a ``TestService`` on a socket of its own, and a client of it.
struct Harness {
    let service: TestService
    let server: RPCServer
    let client: RPCClient
    let endpoint: Endpoint

    static let group = MultiThreadedEventLoopGroup.singleton

    /// - Parameter tcp: listen on loopback instead of a unix socket.
    static func run(
        tcp: Bool = false, limits: ServerLimits = .init(), options: RPCClientOptions = .init(),
        drainTime: Duration = .seconds(5), _ body: (Harness) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "rpc-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let service = TestService()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let server = RPCServer(
            listeners: [tcp ? .tcp(host: "127.0.0.1", port: 0) : .unix(directory.appending(path: "s").path)],
            router: service.router, limits: limits, drainTime: drainTime, logger: logger, group: group)
        let endpoint = try await server.start()[0]
        let client = RPCClient(endpoint: endpoint, options: options, group: group, logger: logger)
        let harness = Harness(service: service, server: server, client: client, endpoint: endpoint)
        do {
            try await body(harness)
        } catch {
            await harness.stop()
            throw error
        }
        await harness.stop()
    }

    private init(service: TestService, server: RPCServer, client: RPCClient, endpoint: Endpoint) {
        self.server = server
        self.client = client
        self.endpoint = endpoint
        self.service = service
    }

    private func stop() async {
        await client.close()
        await server.drain(within: .seconds(5))
    }

    func call(_ method: String, _ request: Blob, metadata: Metadata = [:], timeout: Duration? = .seconds(20))
        async throws -> Blob
    {
        try await client.call(TestService.unary(method), request, metadata: metadata, timeout: timeout)
    }

    /// A raw connection to the server: what it sends comes back until it closes, the answer is complete, or `duration`
    /// has passed.
    func raw(
        _ bytes: [UInt8], for duration: TimeAmount = .seconds(20),
        until isComplete: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
    ) async throws -> [UInt8] {
        let bootstrap = ClientBootstrap(group: Self.group)
        let collected = Self.group.next().makePromise(of: [UInt8].self)
        let initializer: @Sendable (any Channel) -> EventLoopFuture<Void> = { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(Collector(done: collected, isComplete: isComplete))
            }
        }
        let channel: any Channel
        switch endpoint {
        case .unix(let path):
            channel = try await bootstrap.channelInitializer(initializer).connect(unixDomainSocketPath: path).get()
        case .tcp(let host, let port):
            channel = try await bootstrap.channelInitializer(initializer).connect(host: host, port: port).get()
        }
        let overdue = channel.eventLoop.scheduleTask(in: duration) { channel.close(promise: nil) }
        channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        defer { overdue.cancel() }
        return try await collected.futureResult.get()
    }
}

private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private var bytes: [UInt8] = []
    private let done: EventLoopPromise<[UInt8]>
    private let isComplete: @Sendable ([UInt8]) -> Bool
    init(done: EventLoopPromise<[UInt8]>, isComplete: @escaping @Sendable ([UInt8]) -> Bool) {
        self.done = done
        self.isComplete = isComplete
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        bytes += unwrapInboundIn(data).readableBytesView
        if isComplete(bytes) { context.close(promise: nil) }
    }
    func channelInactive(context: ChannelHandlerContext) { done.succeed(bytes) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// The status a call ends with.
func status(_ work: () async throws -> Void) async -> RPCError? {
    do {
        try await work()
        return nil
    } catch let error as RPCError {
        return error
    } catch {
        return RPCError(.unknown, "not an RPCError: \(error)")
    }
}
