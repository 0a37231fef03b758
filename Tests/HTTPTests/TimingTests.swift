import NIOCore
import NIOEmbedded
import NIOHTTP1
import Support
import Testing

@testable import HTTP

/// What a server does as time goes by, on a clock that only the test moves.
@Suite struct TimingTests {
    /// A server's end of a connection.
    private struct Connection {
        let channel: NIOAsyncTestingChannel
        let server: HTTPServer
        let log = Harness.Log()

        init() async throws {
            var limits = HTTPServerLimits()
            limits.idleTimeout = .seconds(90)
            limits.headTimeout = .seconds(20)
            limits.bodyIdleTimeout = .seconds(60)
            let log = log
            server = HTTPServer(listeners: [], limits: limits, logger: Harness.logger, group: Harness.group) {
                try await Harness.route($0, log)
            }
            let (made, server) = (NIOAsyncTestingChannel(), server)
            channel = made
            try await made.testingEventLoop.executeInContext { _ = server.configure(made) }
            try await made.connect(to: SocketAddress(unixDomainSocketPath: "/client")).get()
        }

        func send(_ text: String) async throws { try await channel.writeInbound(ByteBuffer(string: text)) }

        func wait(_ time: TimeAmount) async { await channel.testingEventLoop.advanceTime(by: time) }

        /// What the server has sent until it holds `mark`.
        func expect(_ mark: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
            var text = ""
            try await eventually("\(mark) comes", sourceLocation: sourceLocation) {
                await channel.testingEventLoop.run()
                while let data = try await channel.readOutbound(as: IOData.self) {
                    if case .byteBuffer(let bytes) = data { text += String(buffer: bytes) }
                }
                return text.contains(mark)
            }
            return text
        }

        func end() async throws {
            channel.close(promise: nil)
            await channel.testingEventLoop.run()
            try await eventually("no handler runs") {
                await channel.testingEventLoop.run()
                return server.runningHandlers == 0
            }
        }
    }

    @Test func `a connection that says nothing is closed`() async throws {
        let connection = try await Connection()
        await connection.wait(.seconds(89))
        #expect(connection.channel.isActive)
        await connection.wait(.seconds(2))
        #expect(!connection.channel.isActive)
        try await connection.end()
    }

    @Test func `a head that is not finished in time is refused, however often a byte comes`() async throws {
        let connection = try await Connection()
        for byte in ["G", "E", "T", " "] {
            try await connection.send(byte)
            await connection.wait(.seconds(4))
        }
        #expect(connection.channel.isActive)
        await connection.wait(.seconds(5))
        let answer = try await connection.expect("\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 408"))
        await connection.wait(.seconds(3))
        #expect(!connection.channel.isActive)
        try await connection.end()
    }

    @Test func `a second head is timed too, and idling between requests is not`() async throws {
        let connection = try await Connection()
        for number in 1...3 {
            try await connection.send("GET /hello?name=\(number) HTTP/1.1\r\nHost: x\r\n\r\n")
            _ = try await connection.expect("hello \(number)")
            await connection.wait(.seconds(60))
        }
        try await connection.send("GET /hel")
        await connection.wait(.seconds(21))
        let answer = try await connection.expect("\r\n\r\n")
        #expect(answer.contains("HTTP/1.1 408"))
        try await connection.end()
    }

    @Test func `a client that stops in the middle of a body is told`() async throws {
        let connection = try await Connection()
        try await connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
        await connection.wait(.seconds(61))
        let answer = try await connection.expect("\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 408"))
        try await connection.end()
    }

    @Test func `a body that keeps coming may take its time`() async throws {
        let connection = try await Connection()
        try await connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
        for byte in ["i", "t", " ", "c", "o", "m", "e", "s", "!"] {
            await connection.wait(.seconds(50))
            try await connection.send(byte)
        }
        let answer = try await connection.expect("it comes!")
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        try await connection.end()
    }

    @Test func `a handler that is slow to read, or to answer, is not the client's fault`() async throws {
        let connection = try await Connection()
        let chunk = String(repeating: "x", count: 128 << 10)
        try await connection.send("POST /slow-read HTTP/1.1\r\nHost: x\r\nContent-Length: \(40 * (128 << 10))\r\n\r\n")
        for _ in 0..<8 { try await connection.send(chunk) }
        try await eventually("the handler pauses") {
            await connection.channel.testingEventLoop.run()
            return connection.log.all == ["paused"]
        }
        for _ in 0..<31 { try await connection.send(chunk) }
        await connection.wait(.seconds(3600))
        #expect(connection.channel.isActive)
        connection.log.add("go on")
        try await connection.send(chunk)
        let answer = try await connection.expect("\(40 * (128 << 10))")
        #expect(answer.hasPrefix("HTTP/1.1 200"))
        try await connection.end()
    }

    @Test func `a client that does not stop after the answer is cut off`() async throws {
        let connection = try await Connection()
        try await connection.send("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc")
        let answer = try await connection.expect("no")
        #expect(answer.hasPrefix("HTTP/1.1 403"))
        try await connection.send("def")
        await connection.wait(.seconds(1))
        await connection.wait(.seconds(2))
        #expect(!connection.channel.isActive)
        try await connection.end()
    }

    @Test func `nothing is timed while an upgraded connection is quiet`() async throws {
        let connection = try await Connection()
        try await connection.send("POST /upgrade HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        _ = try await connection.expect("101 Switching Protocols")
        await connection.wait(.hours(24))
        #expect(connection.channel.isActive)
        try await connection.send("still here")
        let answer = try await connection.expect("still here")
        #expect(answer == "still here")
        try await connection.end()
    }
}
