import HTTP
import NIOConcurrencyHelpers
import NIOCore
import Support
import Testing

@testable import Streaming

/// Exec sessions as seen on the wire.
@Suite struct ScriptedPeerTests {
    private static func command(
        stdin: Bool = false, stdout: Bool = true, tty: Bool = false, _ backend: @escaping RemoteCommandBackend
    ) -> StreamingRequest {
        .exec(RemoteCommand(options: .init(stdin: stdin, stdout: stdout, stderr: false, tty: tty), backend: backend))
    }

    /// Runs until cancelled, and says so.
    private static func endless(_ state: NIOLockedValueBox<String>) -> RemoteCommandBackend {
        { _ in
            state.withLockedValue { $0 = "running" }
            do { try await Task.sleep(for: .seconds(3600)) } catch { state.withLockedValue { $0 = "cancelled" } }
            return .failed(message: "cancelled")
        }
    }

    private static let error = SPDYFrame.synStream(stream: 1, headers: ["streamtype": "error"], fin: false)
    private static let stdout = SPDYFrame.synStream(stream: 3, headers: ["streamtype": "stdout"], fin: false)
    private static let stdin = SPDYFrame.synStream(stream: 5, headers: ["streamtype": "stdin"], fin: false)

    @Test(arguments: [
        ("v4.channel.k8s.io", #"{"metadata":{},"status":"Success"}"#), ("v3.channel.k8s.io", ""),
        ("channel.k8s.io", ""),
    ])
    func `each stream is replied to, ended, and the end told by protocol`(name: String, status: String) async throws {
        try await Harness.run { harness async throws in
            let peer = try await RawPeer.connect(
                harness,
                Self.command { io in
                    try? await io.stdout?.write(ByteBuffer(string: "out"))
                    return .exited(code: 0)
                }, offering: name)
            try await peer.send(Self.error, Self.stdout)
            let frames = try await peer.frames { if case .goAway = $0 { true } else { false } }
            #expect(
                frames.prefix(2) == [
                    .synReply(stream: 1, headers: [:], fin: false), .synReply(stream: 3, headers: [:], fin: false),
                ])
            #expect(frames.text(of: 3) == "out")
            #expect(frames.text(of: 1) == status)
            #expect(frames.ends(1) && frames.ends(3))
            #expect(frames.last == .goAway(lastStream: 3))
            await peer.connection.close()
        }
    }

    @Test func `pings are answered, and answers are not`() async throws {
        try await Harness.run { harness async throws in
            let peer = try await RawPeer.connect(
                harness, Self.command { _ in .exited(code: 0) }, offering: "v4.channel.k8s.io")
            try await peer.send(.ping(id: 2), .ping(id: 1), .ping(id: 3))
            let frames = [try await peer.next(), try await peer.next()]
            #expect(frames == [.ping(id: 1), .ping(id: 3)])
            await peer.connection.close()
        }
    }

    @Test(
        arguments: [
            [0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1],  // another version
            [0x80, 3, 0, 1, 0, 0, 0, 12, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0xff, 0xff],  // no headers
            [0x80, 3, 0, 1, 0, 0xff, 0xff, 0xff],  // too large
        ] as [[UInt8]])
    func `malformed bytes end the session with a GOAWAY, and its command`(bytes: [UInt8]) async throws {
        try await Harness.run { harness async throws in
            let state = NIOLockedValueBox("")
            let peer = try await RawPeer.connect(
                harness, Self.command(Self.endless(state)), offering: "v4.channel.k8s.io")
            try await peer.send(Self.error, Self.stdout)
            try await eventually("it runs") { state.withLockedValue { $0 } == "running" }
            try await peer.send(bytes: bytes)
            let rest = try await peer.rest()
            #expect(rest.last == .goAway(lastStream: 3, status: SPDYNumbers.goAwayProtocolError))
            try await eventually("it is cancelled") { state.withLockedValue { $0 } == "cancelled" }
        }
    }

    @Test func `streams that nobody asked for are reset, and too many refused`() async throws {
        try await Harness.run { harness async throws in
            let peer = try await RawPeer.connect(
                harness, Self.command { _ in .exited(code: 0) }, offering: "v4.channel.k8s.io")
            try await peer.send(
                Self.error, .synStream(stream: 3, headers: ["streamtype": "stdin"], fin: false),
                .synStream(stream: 5, headers: ["streamtype": "error"], fin: false))
            let frames = try await peer.frames { $0 == .rstStream(stream: 5, status: SPDYNumbers.cancel) }
            #expect(frames.contains(.rstStream(stream: 3, status: SPDYNumbers.cancel)))
            try await peer.send(.synStream(stream: 7, headers: ["streamtype": "stdout"], fin: false))
            let rest = try await peer.frames { if case .goAway = $0 { true } else { false } }
            #expect(rest.text(of: 1).contains("Success"))
            await peer.connection.close()
        }
    }

    @Test func `a caller that opens too few streams is told goodbye`() async throws {
        var limits = StreamingLimits()
        limits.streamCreation = .milliseconds(50)
        try await Harness.run(limits: limits) { harness async throws in
            let ran = NIOLockedValueBox(false)
            let peer = try await RawPeer.connect(
                harness,
                Self.command { _ in
                    ran.withLockedValue { $0 = true }
                    return .exited(code: 0)
                }, offering: "v4.channel.k8s.io")
            try await peer.send(Self.error)
            let frames = try await peer.rest()
            #expect(frames.contains { if case .goAway = $0 { true } else { false } })
            #expect(!frames.ends(1))
            #expect(!ran.withLockedValue { $0 })
            await peer.connection.close()
        }
    }

    @Test func `a session that carries nothing but pings ends after the idle time`() async throws {
        var limits = StreamingLimits()
        limits.idle = .milliseconds(300)
        limits.keepAlive = .milliseconds(20)
        try await Harness.run(limits: limits) { harness async throws in
            let state = NIOLockedValueBox("")
            let peer = try await RawPeer.connect(
                harness, Self.command(Self.endless(state)), offering: "v4.channel.k8s.io")
            try await peer.send(Self.error, Self.stdout)
            let rest = try await peer.rest()
            #expect(rest.contains(.ping(id: 2)))
            try await eventually("it is cancelled") { state.withLockedValue { $0 } == "cancelled" }
        }
    }

    @Test func `a caller that vanishes with unread input is found out by pings`() async throws {
        var limits = StreamingLimits()
        limits.keepAlive = .milliseconds(20)
        try await Harness.run(limits: limits) { harness async throws in
            let state = NIOLockedValueBox("")
            let peer = try await RawPeer.connect(
                harness, Self.command(stdin: true, Self.endless(state)), offering: "v4.channel.k8s.io")
            try await peer.send(Self.error, Self.stdout, Self.stdin)
            try await eventually("it runs") { state.withLockedValue { $0 } == "running" }
            // More than buffers hold: the write does not complete.
            let chunk = ByteBuffer(repeating: 1, count: 60_000)
            let flood = Task { while true { try await peer.send(.data(stream: 5, bytes: chunk, fin: false)) } }
            try await Task.sleep(for: .milliseconds(100))
            await peer.connection.close()
            flood.cancel()
            _ = await flood.result
            try await eventually("it is cancelled") { state.withLockedValue { $0 } == "cancelled" }
            try await eventually("the session ends") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test func `a caller that reads nothing holds the command back, and its going ends it`() async throws {
        try await Harness.run { harness async throws in
            let written = NIOLockedValueBox(0)
            let isOver = NIOLockedValueBox(false)
            let peer = try await RawPeer.connect(
                harness,
                Self.command { io in
                    do {
                        while true {
                            try await io.stdout?.write(ByteBuffer(repeating: 1, count: 1 << 20))
                            written.withLockedValue { $0 += 1 }
                        }
                    } catch {
                        isOver.withLockedValue { $0 = true }
                    }
                    return .exited(code: 0)
                }, offering: "v4.channel.k8s.io")
            try await peer.send(Self.error, Self.stdout)
            var last = -1
            try await eventually("it is held back") {
                try await Task.sleep(for: .milliseconds(200))
                let now = written.withLockedValue { $0 }
                defer { last = now }
                return now > 0 && now == last
            }
            #expect(last < 64)
            await peer.connection.close()
            try await eventually("it ends") { isOver.withLockedValue { $0 } }
            try await eventually("the session ends") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test func `sizes may be cut anywhere, and nonsense ends them but not the command`() async throws {
        try await Harness.run { harness async throws in
            let peer = try await RawPeer.connect(
                harness,
                Self.command(tty: true) { io in
                    var sizes = ""
                    for await size in io.resizes {
                        sizes += "\(size.width)x\(size.height) "
                        if size.height == 2 { break }
                    }
                    try? await io.stdout?.write(ByteBuffer(string: sizes))
                    return .exited(code: 0)
                }, offering: "v4.channel.k8s.io")
            let resize: UInt32 = 7
            try await peer.send(
                Self.error, Self.stdout, .synStream(stream: resize, headers: ["streamtype": "resize"], fin: false))
            for piece in [#"{"Width":80,"He"#, #"ight":1}{"Wi"#, #"dth":81,"Height":2}"#, "}}nonsense"] {
                try await peer.send(.data(stream: resize, bytes: ByteBuffer(string: piece), fin: false))
            }
            let frames = try await peer.frames { if case .goAway = $0 { true } else { false } }
            #expect(frames.text(of: 3) == "80x1 81x2 ")
            await peer.connection.close()
        }
    }
}
