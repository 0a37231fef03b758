#if os(Linux)
import Foundation
import NIOCore
import NIOPosix
import Processes
import Support
import Testing

@testable import VMHost

@Suite(
    "A machine's ports at its pod's localhost",
    .enabled(if: NetworkNamespace.isPossible, "skipped, because network namespaces need root"))
struct PodPortTests {
    /// Runs `body` with a namespace whose loopback is up.
    private func withNamespace(_ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/pod"
            try await NetworkNamespace.make(at: path)
            do {
                let up = try await Support.ChildProcess.run(
                    "/usr/bin/nsenter", ["--net=\(path)", "ip", "link", "set", "lo", "up"])
                try #require(up.code == 0, "\(up.errors)")
                try await body(path)
            } catch {
                try NetworkNamespace.remove(path)
                throw error
            }
            try NetworkNamespace.remove(path)
        }
    }

    private func ask(_ port: Int, in namespace: String, _ words: String) async throws -> String {
        let channel = try await LoopbackConnection.make(
            port: port, in: namespace, group: MultiThreadedEventLoopGroup.singleton)
        return try await channel.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: words))
            outbound.finish()
            var said = ""
            for try await bytes in inbound { said += String(buffer: bytes) }
            return said
        }
    }

    @Test("its containers reach it there, both ways and to the end; a port that is taken is an error")
    func reached() async throws {
        // Says what it hears, and ends when it was told everything.
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Echo()) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await withNamespace { namespace in
            let serving = Task {
                try await PodPorts.serve(port, in: namespace, group: MultiThreadedEventLoopGroup.singleton) {
                    "127.0.0.1"
                }
            }
            try await eventually("it is served") {
                do { return try await ask(port, in: namespace, "hello") == "hello" } catch { return false }
            }
            let long = String(repeating: "x", count: 3 << 20)
            #expect(try await ask(port, in: namespace, long) == long)
            await #expect(throws: (any Error).self) {
                try await PodPorts.serve(port, in: namespace, group: MultiThreadedEventLoopGroup.singleton) { nil }
            }
            serving.cancel()
            _ = await serving.result
            await #expect(throws: (any Error).self) { _ = try await ask(port, in: namespace, "gone") }
        }
        try await server.close()
    }

    private final class Echo: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }
        func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event as? ChannelEvent == .inputClosed { context.close(promise: nil) }
        }
    }
}
#endif
