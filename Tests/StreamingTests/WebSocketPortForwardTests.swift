import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Support
import Testing

@testable import Streaming

@Suite struct WebSocketPortForwardTests {
    private static let echo: PortForwardBackend = { port, connection in
        try await connection.write(ByteBuffer(string: "\(port):"))
        for try await bytes in connection.inbound {
            try await connection.write(bytes)
            if bytes.readableBytesView.last == UInt8(ascii: "!") { break }
        }
    }

    private static func request(_ ports: Int..., backend: @escaping PortForwardBackend) -> StreamingRequest {
        .portForward(PortForward(ports: ports, backend: backend))
    }

    @Test func `two ports have their channels, each beginning with its number`() async throws {
        try await Harness.run { harness async throws in
            // What Kubernetes' Python client offers.
            let peer = try await WebSocketPeer.connect(
                harness, Self.request(80, 8081, backend: Self.echo), offering: "v5.channel.k8s.io", "v4.channel.k8s.io")
            #expect(peer.subprotocol == "v4.channel.k8s.io")
            try await peer.send(0, "first!")
            try await peer.send(2, "second!")
            let received = try await peer.rest()
            func bytes(_ channel: UInt8) -> [UInt8] {
                received.flatMap { received -> [UInt8] in
                    guard case .message(let bytes) = received, bytes.first == channel else { return [] }
                    return Array(bytes.dropFirst())
                }
            }
            #expect(bytes(0) == [80, 0] + Array("80:first!".utf8))
            #expect(bytes(1) == [80, 0])
            #expect(bytes(2) == [0x91, 0x1f] + Array("8081:second!".utf8))
            #expect(bytes(3) == [0x91, 0x1f])
            #expect(received.last == .close(1000))
        }
    }

    @Test func `a port that fails says so on its error channel, and the other goes on`() async throws {
        try await Harness.run { harness async throws in
            let request = Self.request(1, 2) { port, connection in
                guard port != 1 else { throw StreamingError(.failed, "connection refused") }
                try await Self.echo(port, connection)
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v4.channel.k8s.io")
            var received: [WebSocketPeer.Received] = []
            while !received.text(of: 1).contains("refused"), let next = try await peer.next() { received.append(next) }
            #expect(received.text(of: 1).contains("error forwarding port 1: connection refused"))
            try await peer.send(2, "on!")
            received += try await peer.rest()
            #expect(received.text(of: 2).hasSuffix("2:on!"))
        }
    }

    @Test func `the session ends when the pod ends its output, and base64 is spoken`() async throws {
        try await Harness.run { harness async throws in
            let request = Self.request(80) { _, connection in
                try await connection.write(ByteBuffer(string: "answer"))
                try await connection.closeOutput()
                // As a forwarder does: the client may go on sending.
                for try await _ in connection.inbound {}
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v4.base64.channel.k8s.io")
            let received = try await peer.rest()
            #expect(received.text(of: UInt8(ascii: "0")) == "UAA=YW5zd2Vy")
            #expect(received.last == .close(1000))
        }
    }

    @Test func `without ports there is nothing to forward`() async throws {
        try await Harness.run { harness async throws in
            await #expect {
                _ = try await WebSocketPeer.connect(
                    harness, Self.request(backend: Self.echo), offering: "v4.channel.k8s.io")
            } throws: {
                ($0 as? HTTPUpgradeRefused)?.status == .badRequest
            }
        }
    }

    @Test func `SPDY passes through WebSocket's messages`() async throws {
        try await Harness.run { harness async throws in
            var headers = WebSocketPeer.handshake
            headers.add(name: "sec-websocket-protocol", value: "SPDY/3.1+portforward.k8s.io")
            let (head, connection) = try await WebSocketPeer.upgrade(
                harness, Self.request(backend: Self.echo), headers)
            #expect(head.headers["sec-websocket-protocol"] == ["SPDY/3.1+portforward.k8s.io"])
            let tunnel = WebSocketTunnel(WebSocketConnection(connection, isServer: false))
            let reading = Task { await tunnel.run() }
            let session = PortForwardSession(SPDYSession(tunnel, role: .client))
            for port in [80, 81] {
                let connection = try await session.open(port: port)
                let payload = [UInt8](repeating: UInt8(port), count: 300_000)
                async let sent: Void = {
                    try await connection.write(ByteBuffer(bytes: payload))
                    try await connection.closeOutput()
                }()
                let back = try await connection.inbound.collect()
                try await sent
                #expect(back == Array("\(port):".utf8) + payload)
            }
            await session.close()
            await reading.value
            try await eventually("the session is over") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test func `text in a tunnel is refused`() async throws {
        try await Harness.run { harness async throws in
            let peer = try await WebSocketPeer.connect(
                harness, Self.request(backend: Self.echo), offering: "SPDY/3.1+portforward.k8s.io")
            try await peer.send([1], .text)
            #expect(try await peer.next() == .close(1003))
            await peer.connection.close()
        }
    }
}
