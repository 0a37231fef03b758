import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A proxy that knows CONNECT alone, and leads everybody to one port of this machine.
final class ConnectProxy: Sendable {
    private typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>
    private let heads = NIOLockedValueBox<[String]>([])
    let port: Int

    private init(port: Int) { self.port = port }

    /// What clients asked for.
    var asked: [String] { heads.withLockedValue { $0 } }

    /// - Parameter target: the port on loopback.
    static func run(to target: Int, _ body: (ConnectProxy) async throws -> Void) async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0) { channel in
                channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
            }
        let proxy = ConnectProxy(port: server.channel.localAddress?.port ?? 0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.executeThenClose { clients in
                    await withTaskGroup(of: Void.self) { relays in
                        do {
                            for try await client in clients {
                                relays.addTask { try? await proxy.relay(client, target) }
                            }
                        } catch {
                            relays.cancelAll()
                        }
                    }
                }
            }
            defer { group.cancelAll() }
            try await body(proxy)
        }
    }

    private func relay(_ client: Connection, _ target: Int) async throws {
        try await client.executeThenClose { fromClient, toClient in
            var bytes = fromClient.makeAsyncIterator()
            var head = ""
            while !head.hasSuffix("\r\n\r\n"), let more = try await bytes.next() { head += String(buffer: more) }
            heads.withLockedValue { [head] in $0.append(head) }
            let upstream = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .connect(host: "127.0.0.1", port: target) { channel in
                    channel.eventLoop.makeCompletedFuture { try Connection(wrappingChannelSynchronously: channel) }
                }
            try await upstream.executeThenClose { fromServer, toServer in
                try await toClient.write(ByteBuffer(string: "HTTP/1.1 200 OK\r\n\r\n"))
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { for try await bytes in fromServer { try await toClient.write(bytes) } }
                    while let more = try await bytes.next() { try await toServer.write(more) }
                    group.cancelAll()
                }
            }
        }
    }
}
