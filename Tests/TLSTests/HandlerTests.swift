import NIOCore
import NIOEmbedded
import Support
import TLS
import Testing

@Suite("TLS handler") struct HandlerTests {
    private func withPair(_ body: (MemoryPair) throws -> Void) async throws {
        try await withDirectory { directory in try Self.inOneGo(directory, body) }
    }

    /// Embedded channels stay on the thread that made them.
    private static func inOneGo(_ directory: String, _ body: (MemoryPair) throws -> Void) throws {
        try body(MemoryPair(directory))
    }

    @Test("bytes may come one by one", arguments: [1, 7, 4096])
    func pieces(size: Int) async throws {
        try await withPair { pair in
            try pair.connect(pieces: size)
            #expect(pair.client.seen.handshakes == 1)
            #expect(pair.server.seen.handshakes == 1)
            _ = pair.client.send("to the server")
            _ = pair.server.send("to the client")
            try pair.pump(pieces: size)
            #expect(pair.server.seen.text == "to the server")
            #expect(pair.client.seen.text == "to the client")
        }
    }

    @Test("what is written before the handshake is sent after it, in order, and then confirmed")
    func early() async throws {
        try await withPair { pair in
            let first = pair.client.send("one ")
            var confirmed = 0
            first.assumeIsolated().whenSuccess { confirmed += 1 }
            try pair.server.connect()
            try pair.client.connect()
            let second = pair.client.channel.write(ByteBuffer(string: "two"))
            second.assumeIsolated().whenSuccess { confirmed += 1 }
            #expect(confirmed == 0)
            try pair.pump()
            #expect(pair.server.seen.text.hasPrefix("one "))
            pair.client.channel.flush()
            try pair.pump()
            #expect(pair.server.seen.text == "one two")
            #expect(confirmed == 2)
        }
    }

    @Test("one side may end its output and still listen")
    func halfClose() async throws {
        try await withPair { pair in
            try pair.connect()
            _ = pair.client.send("question")
            pair.client.channel.close(mode: .output, promise: nil)
            try pair.pump()
            #expect(pair.server.seen.text == "question")
            #expect(pair.server.seen.inputEnds == 1)
            // The TCP end that follows is no news.
            pair.server.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            #expect(pair.server.seen.inputEnds == 1)
            _ = pair.server.send("answer")
            try pair.pump()
            #expect(pair.client.seen.text == "answer")
            #expect(throws: ChannelError.outputClosed) { try pair.client.send("more").wait() }
            #expect(pair.client.seen.errors.isEmpty)
            #expect(pair.server.seen.errors.isEmpty)
        }
    }

    @Test("an end asked for during the handshake comes after what was written")
    func earlyClose() async throws {
        try await withPair { pair in
            try pair.server.connect()
            try pair.client.connect()
            _ = pair.client.send("all")
            pair.client.channel.close(mode: .output, promise: nil)
            try pair.pump()
            #expect(pair.server.seen.text == "all")
            #expect(pair.server.seen.inputEnds == 1)
        }
    }

    @Test("close tells the other side first")
    func close() async throws {
        try await withPair { pair in
            try pair.connect()
            try pair.client.channel.close().wait()
            #expect(pair.client.seen.isInactive)
            #expect(pair.client.seen.errors.isEmpty)
            pair.server.input(try pair.client.output())
            #expect(pair.server.seen.inputEnds == 1)
            #expect(pair.server.seen.errors.isEmpty)
        }
    }

    @Test("an end without close_notify is an error, however it comes", arguments: [true, false])
    func truncated(byHalfClose: Bool) async throws {
        try await withPair { pair in
            try pair.connect()
            _ = pair.client.send("half of")
            try pair.pump()
            if byHalfClose {
                pair.server.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            } else {
                pair.server.channel.pipeline.fireChannelInactive()
            }
            #expect(pair.server.seen.text == "half of")
            #expect(pair.server.seen.inputEnds == 0)
            #expect(pair.server.seen.errors.map(\.code) == [.truncated])
        }
    }

    @Test("a record that was changed on the way breaks the connection after what came before it")
    func changed() async throws {
        try await withPair { pair in
            try pair.connect()
            _ = pair.client.send("good")
            var bytes = try pair.client.output()
            _ = pair.client.send("bad")
            var broken = try pair.client.output()
            let last = broken.writerIndex - 1
            broken.setInteger(broken.getInteger(at: last, as: UInt8.self)! ^ 1, at: last)
            bytes.writeImmutableBuffer(broken)
            pair.server.input(bytes)
            #expect(pair.server.seen.text == "good")
            #expect(pair.server.seen.errors.count == 1)
            #expect(pair.server.seen.errors.first?.message.hasPrefix("the TLS connection broke") == true)
            try pair.pump()
            #expect(pair.client.seen.errors.first?.message.contains("the server refused") == true)
        }
    }

    @Test("a handshake damaged at any byte fails on both sides or succeeds, and never crashes")
    func damagedHandshakes() async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let (client, server) = (
                try TLSContext.client(certificates.client), try TLSContext.server(certificates.server)
            )
            try Self.damage(client, server)
        }
    }

    private static func damage(_ client: TLSContext, _ server: TLSContext) throws {
        var random = SeededRandom(seed: 7)
        for _ in 0..<200 {
            let pair = MemoryPair(client: try .init(client), server: try .init(server))
            try pair.server.connect()
            try pair.client.connect()
            for _ in 0..<6 {
                for (from, to) in [(pair.client, pair.server), (pair.server, pair.client)] {
                    var bytes = try from.output()
                    guard bytes.readableBytes > 0 else { continue }
                    if Int.random(in: 0..<3, using: &random) == 0 {
                        let place = Int.random(in: 0..<bytes.readableBytes, using: &random)
                        bytes.setInteger(UInt8.random(in: 0...255, using: &random), at: bytes.readerIndex + place)
                    }
                    to.input(bytes)
                }
            }
            for side in [pair.client, pair.server] {
                #expect(side.seen.errors.count <= 1)
                #expect(side.seen.errors.isEmpty || !side.channel.isActive)
            }
        }
    }

    @Test("garbage is answered with an error that says so")
    func garbage() async throws {
        try await withPair { pair in
            try pair.server.connect()
            pair.server.input(ByteBuffer(string: "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))
            #expect(pair.server.seen.errors.map(\.code) == [.handshakeFailed])
            #expect(pair.server.seen.errors.first?.message.contains("does not speak TLS") == true)
            #expect(!pair.server.channel.isActive)
        }
    }

    @Test("a handshake has ten seconds")
    func timeout() async throws {
        try await withPair { pair in
            let early = pair.client.send("never sent")
            try pair.client.connect()
            pair.client.channel.embeddedEventLoop.advanceTime(by: .milliseconds(9_999))
            #expect(pair.client.seen.errors.isEmpty)
            pair.client.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
            #expect(pair.client.seen.errors.map(\.code) == [.timedOut])
            #expect(!pair.client.channel.isActive)
            #expect(throws: TLSError.self) { try early.wait() }
        }
    }

    @Test("a handshake that is complete is not timed any more")
    func inTime() async throws {
        try await withPair { pair in
            try pair.connect()
            pair.client.channel.embeddedEventLoop.advanceTime(by: .hours(1))
            pair.server.channel.embeddedEventLoop.advanceTime(by: .hours(1))
            #expect(pair.client.seen.errors.isEmpty)
            #expect(pair.server.seen.errors.isEmpty)
            #expect(pair.client.channel.isActive)
        }
    }

    @Test("the other side may go in the middle of the handshake")
    func goneEarly() async throws {
        try await withPair { pair in
            let early = pair.client.send("never sent")
            try pair.client.connect()
            pair.client.channel.pipeline.fireChannelInactive()
            #expect(pair.client.seen.errors.map(\.code) == [.handshakeFailed])
            #expect(pair.client.seen.isInactive)
            #expect(throws: TLSError.self) { try early.wait() }
        }
    }
}
