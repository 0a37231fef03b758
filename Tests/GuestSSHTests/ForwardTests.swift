import Foundation
import NIOCore
import NIOPosix
import Support
import Testing

@testable import GuestSSH

@Suite(.serialized, .enabled(if: SSHServer.isInstalled || SSHServer.isRequired, SSHServer.skipReason))
struct ForwardTests {
    /// An echo server on the loopback, for as long as `body` runs.
    private func withEcho<R>(_ body: (Int) async throws -> R) async throws -> R {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { $0.pipeline.addHandler(Echo()) }
            .bind(host: "127.0.0.1", port: 0).get()
        defer { server.close(promise: nil) }
        return try await body(server.localAddress?.port ?? 0)
    }

    private final class Echo: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .some(.inputClosed) = event as? ChannelEvent { context.close(mode: .output, promise: nil) }
        }
    }

    @Test("a connection into the guest carries bytes both ways, and half-closes")
    func direct() async throws {
        try await withLink { link, _ in
            try await withEcho { port in
                let connection = try await link.connect(toGuestPort: port)
                let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
                async let echoed = connection.readAll()
                try await connection.write(ByteBuffer(bytes: bytes))
                connection.closeOutput()
                #expect(try await echoed == bytes)
                connection.close()
            }
        }
    }

    @Test("a port nobody listens on is refused; the link goes on")
    func refused() async throws {
        try await withLink { link, _ in
            let port = try FreePort.find()
            try await fails(with: .refused) { _ = try await link.connect(toGuestPort: port) }
            #expect(try await link.shell("echo on").text == "on\n")
        }
    }

    @Test("a guest server that never accepts keeps neither commands nor other forwards waiting")
    func stuck() async throws {
        try await withLink({ $0.openTimeout = .seconds(5) }) { link, _ in
            try await withEcho { echo in
                // Nobody accepts, and the queue is full: the guest's own connect hangs.
                let (descriptor, port) = try FreePort.listen(backlog: 0)
                defer { close(descriptor) }
                let filler = (0..<3).map { _ in nonblockingConnect(port) }
                defer { for one in filler { close(one) } }
                let hanging = (0..<2).map { _ in Task { try await link.connect(toGuestPort: port) } }
                try await eventually("both are on their way") { link.pool.openingCount(.forwards) == 2 }
                // Longer than a forward may take before others go another way.
                try await Task.sleep(for: .milliseconds(700))
                #expect(try await link.shell("echo on").text == "on\n")
                let other = try await link.connect(toGuestPort: echo)
                try await other.write(ByteBuffer(string: "hi"))
                other.closeOutput()
                #expect(try await other.readAll() == Array("hi".utf8))
                for one in hanging { try await fails(with: .timeout) { _ = try await one.value } }
            }
        }
    }

    private func nonblockingConnect(_ port: Int) -> Int32 {
        let descriptor = socket(AF_INET, Int32(1), 0)
        _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        return descriptor
    }

    private func ask(_ port: Int, _ text: String) async throws -> String {
        let client = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                        wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
        return try await client.executeThenClose { inbound, outbound in
            try await outbound.write(ByteBuffer(string: text))
            outbound.finish()
            var answer = ""
            for try await bytes in inbound { answer += String(buffer: bytes) }
            return answer
        }
    }

    @Test("a port of the guest leads here, many connections at once, until the listener is closed")
    func listening() async throws {
        try await withLink { link, _ in
            let listener = try await link.listen(onGuestPort: 0) { connection in
                do {
                    for try await bytes in connection.inbound { try await connection.write(bytes) }
                    try await connection.write(ByteBuffer(string: "."))
                    connection.closeOutput()
                } catch {
                    Issue.record(error)
                }
            }
            #expect(listener.port > 0)
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<12 {
                    let text = String(repeating: "\(number),", count: 20_000)
                    group.addTask { try await ask(listener.port, text) == text + "." }
                }
                for try await isRight in group { #expect(isRight) }
            }
            await listener.close()
            try await eventually("the port is free") { !FreePort.accepts(listener.port) }
        }
    }

    @Test("a port in use in the guest is refused")
    func inUse() async throws {
        try await withLink { link, _ in
            let (descriptor, port) = try FreePort.listen()
            defer { close(descriptor) }
            try await fails(with: .refused) { _ = try await link.listen(onGuestPort: port) { _ in } }
        }
    }

    @Test("after the guest's SSH server was away the port leads here again")
    func again() async throws {
        try await withLink { link, server in
            let listener = try await link.listen(onGuestPort: try FreePort.find()) { connection in
                do {
                    try await connection.write(ByteBuffer(string: "here"))
                    connection.closeOutput()
                    _ = try await connection.readAll()
                } catch {}
            }
            #expect(try await ask(listener.port, "x") == "here")
            await server.kill()
            #expect(!FreePort.accepts(listener.port))
            try await server.start()
            try await eventually("it listens again") { FreePort.accepts(listener.port) }
            #expect(try await ask(listener.port, "x") == "here")
            await listener.close()
        }
    }
}
