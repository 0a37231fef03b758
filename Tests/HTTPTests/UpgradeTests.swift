import HTTP
import NIOCore
import NIOHTTP1
import Testing

@Suite struct UpgradeTests {
    @Test(arguments: [false, true])
    func `an upgrade hands over raw bytes with half-close both ways`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            let (head, connection) = try await harness.client.upgrade(.POST, "/upgrade", to: "echo", timeout: .seconds(20))
            #expect(head.status == .switchingProtocols)
            #expect(head.headers.first(name: "x-extra") == "kept")
            let payload = ByteBuffer(repeating: 5, count: 3 << 20)
            async let sent: Void = {
                try await connection.write(payload)
                try await connection.closeOutput()
            }()
            let back = try await connection.inbound.collect(upTo: 64 << 20)
            try await sent
            #expect(back.readableBytes == payload.readableBytes + 1)
            await connection.close()
        }
    }

    @Test func `a refusal says why`() async throws {
        try await Harness.run { harness async throws in
            await #expect { _ = try await harness.client.upgrade(.POST, "/upgrade", to: "other", timeout: .seconds(20)) }
                throws: { ($0 as? HTTPUpgradeRefused)?.status == .badRequest && "\($0)".contains("upgrade to echo") }
        }
    }

    @Test func `bytes sent with the request head are not lost`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(
                "POST /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly", halfCloseAfter: "early")
            #expect(answer.hasPrefix("HTTP/1.1 101"))
            #expect(answer.hasSuffix("early!"))
        }
    }

    @Test func `a relay carries bytes and half-closes both ways`() async throws {
        try await Harness.run { inner async throws in
            let relay = HTTPServer(listeners: [.tcp(host: "127.0.0.1", port: 0)], logger: Harness.logger, group: Harness.group) { _ in
                let (_, upstream) = try await inner.client.upgrade(.POST, "/upgrade", to: "echo", timeout: .seconds(20))
                return .upgrade(to: "echo") { await RawConnection.relay($0, upstream) }
            }
            let endpoint = try await relay.start()[0]
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let (_, connection) = try await client.upgrade(.GET, "/", to: "echo", timeout: .seconds(20))
            try await connection.write(ByteBuffer(string: "over two hops"))
            try await connection.closeOutput()
            let back = try await connection.inbound.collect(upTo: 1000)
            #expect(String(buffer: back) == "over two hops!")
            await connection.close()
            await client.close()
            await relay.drain(within: .seconds(5))
        }
    }
}
