import NIOCore
import NIOHTTP1
import Support
import Testing

@testable import HTTP

@Suite struct UpgradeTests {
    @Test(arguments: [false, true])
    func `an upgrade hands over raw bytes with half-close both ways`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            let (head, connection) = try await harness.client.upgrade(
                .POST, "/upgrade", to: "echo", timeout: .seconds(60))
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
            await #expect {
                _ = try await harness.client.upgrade(.POST, "/upgrade", to: "other", timeout: .seconds(60))
            } throws: { ($0 as? HTTPUpgradeRefused)?.status == .badRequest && "\($0)".contains("upgrade to echo") }
        }
    }

    @Test func `bytes sent with the request head are not lost`() async throws {
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(
                "POST /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly",
                halfCloseAfter: "early")
            #expect(answer.hasPrefix("HTTP/1.1 101"))
            #expect(answer.hasSuffix("early!"))
        }
    }

    @Test(arguments: [false, true])
    func `bytes and their end sent with the request head are not lost`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            for _ in 0..<20 {
                let socket = try await RawSocket.connect(to: harness.endpoint)
                try await socket.write(
                    "POST /upgrade?slow HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nearly")
                try await socket.closeOutput()
                let answer = await socket.readToEnd()
                #expect(answer.hasSuffix("early!"), "\(answer)")
            }
        }
    }

    @Test(arguments: ["101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp", "200 OK"])
    func `an answer that ends right behind its head is whole`(head: String) async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write("HTTP/1.1 \(head)\r\n\r\nhello")
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            for _ in 0..<20 {
                let (_, connection) = try await client.upgrade(.POST, "/", to: "tcp", timeout: .seconds(60))
                let bytes = try await connection.inbound.collect(upTo: 100)
                #expect(String(buffer: bytes) == "hello")
                await connection.close()
            }
        }
    }

    @Test func `what comes before the answer to an upgrade is held back`() async throws {
        try await Harness.run { harness async throws in
            let socket = try await RawSocket.connect(to: harness.endpoint)
            try await socket.write(
                "POST /upgrade?waits HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
            let sent = Harness.Log()
            let writing = Task {
                for _ in 0..<12 {
                    try await socket.write(String(repeating: "x", count: 1 << 20))
                    sent.add("MB")
                }
                try await socket.closeOutput()
            }
            try await eventually("the handler waits") { harness.log.all == ["waiting"] }
            try await Task.sleep(for: .milliseconds(200))
            #expect(sent.all.count < 8)
            harness.log.add("go on")
            let answer = await socket.readToEnd()
            try await writing.value
            #expect(answer.utf8.count > 12 << 20)
        }
    }

    @Test func `a relay carries bytes and half-closes both ways`() async throws {
        try await Harness.run { inner async throws in
            let relay = HTTPServer(
                listeners: [.tcp(host: "127.0.0.1", port: 0)], logger: Harness.logger, group: Harness.group
            ) { _ in
                let (_, upstream) = try await inner.client.upgrade(.POST, "/upgrade", to: "echo", timeout: .seconds(60))
                return .upgrade(to: "echo") { await RawConnection.relay($0, upstream) }
            }
            let endpoint = try await relay.start()[0]
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let (_, connection) = try await client.upgrade(.GET, "/", to: "echo", timeout: .seconds(60))
            try await connection.write(ByteBuffer(string: "over two hops"))
            try await connection.closeOutput()
            let back = try await connection.inbound.collect(upTo: 1000)
            #expect(String(buffer: back) == "over two hops!")
            await connection.close()
            await client.close()
            await relay.drain(within: .seconds(5))
        }
    }

    @Test func `the engine's hijack with a 200 hands over raw bytes, those behind the head included`() async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n{}")
            try await socket.write("HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\nearly,")
            try await socket.expect("stdin")
            try await socket.write("late")
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let (head, connection) = try await client.upgrade(
                .POST, "/exec/x/start", body: ByteBuffer(string: "{}"), to: "tcp", timeout: .seconds(60))
            #expect(head.status == .ok)
            try await connection.write(ByteBuffer(string: "stdin"))
            try await connection.closeOutput()
            let bytes = try await connection.inbound.collect(upTo: 100)
            #expect(String(buffer: bytes) == "early,late")
            await connection.close()
        }
    }

    @Test func `an upgrade that is not answered in time fails`() async throws {
        try await RawSocket.server({ socket, _ in _ = await socket.readToEnd() }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            await #expect { _ = try await client.upgrade(.POST, "/", to: "tcp", timeout: .milliseconds(50)) } throws: {
                ($0 as? HTTPError)?.code == .timedOut
            }
        }
    }

    @Test(arguments: [false, true])
    func `a connection that is forgotten closes`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            _ = try await harness.client.upgrade(.POST, "/upgrade", to: "echo", timeout: .seconds(60))
            try await eventually("its handler has ended") { harness.server.runningHandlers == 0 }
        }
    }

    @Test func `a connection stays open for whoever reads only`() async throws {
        try await Harness.run { harness async throws in
            func inbound() async throws -> HTTPBody {
                let (_, connection) = try await harness.client.upgrade(
                    .POST, "/upgrade", to: "echo", timeout: .seconds(60))
                try await connection.write(ByteBuffer(string: "kept"))
                try await connection.closeOutput()
                return connection.inbound
            }
            let bytes = try await inbound().collect(upTo: 100)
            #expect(String(buffer: bytes) == "kept!")
        }
    }

    @Test func `a write to a peer that does not read ends with its task`() async throws {
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
            socket.stopReading()
            _ = await socket.readToEnd()
        }) { endpoint in
            let client = HTTPClient(endpoint: endpoint, group: Harness.group)
            let (_, connection) = try await client.upgrade(.POST, "/", to: "tcp", timeout: .seconds(60))
            let written = Harness.Log()
            let writing = Task {
                while true {
                    try await connection.write(ByteBuffer(repeating: 1, count: 1 << 20))
                    written.add("MB")
                }
            }
            var count = -1
            try await eventually("it stands still") {
                defer { count = written.all.count }
                try await Task.sleep(for: .milliseconds(100))
                return count == written.all.count
            }
            writing.cancel()
            await #expect(throws: CancellationError.self) { try await writing.value }
            await connection.close()
        }
    }

    @Test(arguments: [false, true])
    func `a relay ends when one side is gone for good`(upstreamGoes: Bool) async throws {
        let upstreams = Harness.Log()
        try await RawSocket.server({ socket, _ in
            try await socket.expect("\r\n\r\n")
            try await socket.write(
                "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nhello")
            if upstreamGoes { return }
            _ = await socket.readToEnd()
            upstreams.add("ended")
        }) { upstream in
            let upstreamClient = HTTPClient(endpoint: upstream, group: Harness.group)
            let relay = HTTPServer(
                listeners: [.tcp(host: "127.0.0.1", port: 0)], logger: Harness.logger, group: Harness.group
            ) { _ in
                let (_, connection) = try await upstreamClient.upgrade(.POST, "/", to: "tcp", timeout: .seconds(60))
                return .upgrade(to: "tcp") { await RawConnection.relay($0, connection) }
            }
            let client = HTTPClient(endpoint: try await relay.start()[0], group: Harness.group)
            let (_, connection) = try await client.upgrade(.GET, "/", to: "tcp", timeout: .seconds(60))
            if upstreamGoes {
                let bytes = try await connection.inbound.collect(upTo: 100)
                #expect(String(buffer: bytes) == "hello")
                await connection.close()
            } else {
                await connection.close()
                try await eventually("upstream is told") { upstreams.all == ["ended"] }
            }
            try await eventually("the relay has ended") { relay.runningHandlers == 0 }
            await relay.drain(within: .seconds(5))
        }
    }
}
