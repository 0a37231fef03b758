import HTTP
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Sockets
import Support
import Testing

@testable import Streaming
@testable import VKAdapter

/// The kubelet API for clients that speak WebSocket, over a runtime that speaks SPDY.
@Suite(.timeLimit(.minutes(2))) struct KubeletWebSocketTests {
    private let streams = KubeletStreamTests()

    private func upgrade(_ base: String, _ target: String, _ subprotocol: String) async throws -> RawConnection {
        let client = HTTPClient(
            endpoint: try Endpoint(parsing: base.replacing("http://", with: "tcp://")), group: streams.group)
        let (head, connection) = try await client.upgrade(
            .GET, target,
            headers: [
                "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13",
                "sec-websocket-protocol": subprotocol,
            ], to: "websocket", timeout: .seconds(30))
        #expect(head.headers["sec-websocket-protocol"] == [subprotocol])
        return connection
    }

    /// What came on each channel until the server closed.
    private func exchange(_ connection: RawConnection, sending messages: [[UInt8]]) async throws -> [UInt8: String] {
        let socket = WebSocketConnection(connection, isServer: false)
        for message in messages { try await socket.send(ByteBuffer(bytes: message)) }
        var channels: [UInt8: String] = [:]
        var message: [UInt8] = []
        _ = await socket.run(onGone: {}) { piece in
            guard case .data(let bytes, _, _, let isEnd) = piece else { return }
            message += bytes.readableBytesView
            guard isEnd else { return }
            if let channel = message.first {
                channels[channel, default: ""] += String(decoding: message.dropFirst(), as: UTF8.self)
            }
            message = []
        }
        await connection.close()
        return channels
    }

    @Test(arguments: ["exec", "attach"])
    func `a command's input, output and exit code pass`(kind: String) async throws {
        try await streams.serving { node, base in
            let connection = try await upgrade(
                base, "/\(kind)/default/web-n/web?command=cat&input=1&output=1&error=1", "v5.channel.k8s.io")
            let channels = try await exchange(
                connection, sending: [[0] + Array("some ".utf8), [0] + Array("input".utf8), [255, 0]])
            #expect(channels[1] == "some input")
            #expect(channels[2] == "done")
            #expect(channels[3]?.contains(#""reason":"NonZeroExitCode""#) == true)
            #expect(channels[3]?.contains(#""reason":"ExitCode","message":"3""#) == true)
        }
    }

    @Test func `the ports of the query are forwarded`() async throws {
        try await streams.serving { node, base in
            let connection = try await upgrade(
                base, "/portForward/default/web-n?port=80&port=81", "v4.channel.k8s.io")
            let socket = WebSocketConnection(connection, isServer: false)
            let texts = NIOLockedValueBox<[UInt8: String]>([:])
            let reading = Task {
                await socket.run(onGone: {}) { piece in
                    guard case .data(var bytes, _, _, _) = piece, let channel = bytes.readInteger(as: UInt8.self) else {
                        return
                    }
                    texts.withLockedValue { $0[channel, default: ""] += String(buffer: bytes) }
                }
            }
            try await socket.send(prefix: [0], ByteBuffer(string: "hello"))
            try await socket.send(prefix: [2], ByteBuffer(string: "world"))
            try await eventually("both answer") {
                texts.withLockedValue { $0[0] == "P\0port 80: hello" && $0[2] == "Q\0port 81: world" }
            }
            #expect(texts.withLockedValue { [$0[1], $0[3]] } == ["P\0", "Q\0"])
            await socket.close(within: .seconds(2))
            _ = await reading.value
        }
    }

    @Test func `kubectl's SPDY in WebSocket reaches the runtime`() async throws {
        try await streams.serving { node, base in
            let connection = try await upgrade(base, "/portForward/default/web-n", "SPDY/3.1+portforward.k8s.io")
            let tunnel = WebSocketTunnel(WebSocketConnection(connection, isServer: false))
            let reading = Task { await tunnel.run() }
            let session = PortForwardSession(SPDYSession(tunnel, role: .client))
            let forwarded = try await session.open(port: 8080)
            try await forwarded.write(ByteBuffer(string: "hello"))
            try await forwarded.closeOutput()
            var text = ""
            for try await bytes in forwarded.inbound { text += String(buffer: bytes) }
            #expect(text == "port 8080: hello")
            await session.close()
            await reading.value
        }
    }

    @Test func `what is no handshake is refused before anything runs`() async throws {
        try await streams.serving { node, base in
            await #expect {
                _ = try await upgrade(base, "/exec/default/web-n/web?command=ls&output=1", "chat")
            } throws: {
                ($0 as? HTTPUpgradeRefused)?.status == .forbidden
            }
        }
    }
}
