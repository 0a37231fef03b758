import HTTP
import NIOConcurrencyHelpers
import NIOCore
import Support
import Testing

@testable import Streaming

/// Port-forward sessions as seen on the wire, and how their connections end.
@Suite struct PortForwardWireTests {
    private static func pair(_ id: String, from first: UInt32, port: String = "80") -> [SPDYFrame] {
        [
            .synStream(stream: first, headers: ["streamtype": "error", "port": port, "requestid": id], fin: false),
            .data(stream: first, bytes: ByteBuffer(), fin: true),
            .synStream(stream: first + 2, headers: ["streamtype": "data", "port": port, "requestid": id], fin: false),
        ]
    }

    private static func connect(
        _ harness: Harness, _ backend: @escaping PortForwardBackend
    ) async throws -> RawPeer {
        try await RawPeer.connect(
            harness, .portForward(PortForward(backend: backend)), offering: ChannelProtocol.portForward)
    }

    @Test func `a caller that resets the data after the far side's end hears of no failure`() async throws {
        try await Harness.run { harness async throws in
            let state = NIOLockedValueBox("")
            let peer = try await Self.connect(harness) { _, connection in
                try await connection.write(ByteBuffer(string: "answer"))
                try await connection.closeOutput()
                do { try await Task.sleep(for: .seconds(3600)) } catch {
                    state.withLockedValue { $0 = "cancelled" }
                    throw error
                }
            }
            try await peer.send(Self.pair("0", from: 1))
            let answer = try await peer.frames { if case .data(3, _, true) = $0 { true } else { false } }
            #expect(answer.text(of: 3) == "answer")
            // What Kubernetes' client does each time: it then waits for the end of the error stream.
            try await peer.send(.rstStream(stream: 3, status: SPDYNumbers.cancel))
            let end = try await peer.next()
            #expect(end == .data(stream: 1, bytes: ByteBuffer(), fin: true))
            try await eventually("the backend is cancelled") { state.withLockedValue { $0 } == "cancelled" }
            await peer.connection.close()
        }
    }

    @Test func `a failure is told before the data breaks off`() async throws {
        try await Harness.run { harness async throws in
            let peer = try await Self.connect(harness) { _, _ in throw StreamingError(.failed, "connection refused") }
            try await peer.send(Self.pair("0", from: 1))
            let frames = try await peer.frames { if case .rstStream = $0 { true } else { false } }
            #expect(frames.text(of: 1) == "error forwarding port 80: connection refused")
            #expect(frames.ends(1))
            #expect(frames.last == .rstStream(stream: 3, status: SPDYNumbers.cancel))
            await peer.connection.close()
        }
    }

    @Test func `halves pair by request, or by number when they name none`() async throws {
        try await Harness.run { harness async throws in
            let peer = try await Self.connect(harness) { port, connection in
                try await connection.write(ByteBuffer(string: "\(port)"))
            }
            // Two requests whose halves come mixed, the second's in the other order; then one that has no name.
            try await peer.send(
                .synStream(stream: 1, headers: ["streamtype": "error", "port": "81", "requestid": "a"], fin: false),
                .synStream(stream: 3, headers: ["streamtype": "data", "port": "82", "requestid": "b"], fin: false),
                .synStream(stream: 5, headers: ["streamtype": "error", "port": "82", "requestid": "b"], fin: false),
                .synStream(stream: 7, headers: ["streamtype": "data", "port": "81", "requestid": "a"], fin: false),
                .synStream(stream: 9, headers: ["streamtype": "error", "port": "83"], fin: false),
                .synStream(stream: 11, headers: ["streamtype": "data", "port": "83"], fin: false))
            var ended: Set<UInt32> = []
            let frames = try await peer.frames {
                if case .data(let id, _, true) = $0 { ended.insert(id) }
                return ended.count == 6
            }
            #expect([frames.text(of: 7), frames.text(of: 3), frames.text(of: 11)] == ["81", "82", "83"])
            await peer.connection.close()
        }
    }

    @Test func `halves that stay alone, come twice or name no port are reset, and the session goes on`() async throws {
        var limits = StreamingLimits()
        limits.streamCreation = .milliseconds(100)
        try await Harness.run(limits: limits) { harness async throws in
            let peer = try await Self.connect(harness) { _, connection in
                try await connection.write(ByteBuffer(string: "ok"))
            }
            try await peer.send(
                .synStream(stream: 1, headers: ["streamtype": "data", "port": "80", "requestid": "a"], fin: false),
                .synStream(stream: 3, headers: ["streamtype": "data", "port": "80", "requestid": "a"], fin: false),
                .synStream(stream: 5, headers: ["streamtype": "data", "port": "0", "requestid": "b"], fin: false),
                .synStream(stream: 7, headers: ["streamtype": "data", "port": "65536", "requestid": "c"], fin: false),
                .synStream(stream: 9, headers: ["streamtype": "other", "port": "80", "requestid": "d"], fin: false))
            var reset: [UInt32] = []
            _ = try await peer.frames {
                if case .rstStream(let id, SPDYNumbers.cancel) = $0 { reset.append(id) }
                return reset.count == 5
            }
            #expect(reset == [3, 5, 7, 9, 1])
            try await peer.send(Self.pair("e", from: 11))
            let frames = try await peer.frames { if case .data(11, _, true) = $0 { true } else { false } }
            #expect(frames.text(of: 13) == "ok")
            await peer.connection.close()
        }
    }

    @Test func `either side may end its direction first`() async throws {
        try await Harness.run { harness async throws in
            let got = NIOLockedValueBox(0)
            let session = try await harness.forward { port, connection in
                if port == 1 {
                    // Ends first, and still listens.
                    try await connection.write(ByteBuffer(string: "first"))
                    try await connection.closeOutput()
                    for try await bytes in connection.inbound { got.withLockedValue { $0 += bytes.readableBytes } }
                } else {
                    var count = 0
                    for try await bytes in connection.inbound { count += bytes.readableBytes }
                    try await connection.write(ByteBuffer(string: "\(count)"))
                }
            }
            let one = try await session.open(port: 1)
            let first = try await one.inbound.collect()
            #expect(first == Array("first".utf8))
            try await one.write(ByteBuffer(repeating: 1, count: 300_000))
            try await one.closeOutput()
            try await eventually("the far side has it all") { got.withLockedValue { $0 } == 300_000 }

            let two = try await session.open(port: 2)
            try await two.write(ByteBuffer(repeating: 1, count: 300_000))
            try await two.closeOutput()
            let second = try await two.inbound.collect()
            #expect(second == Array("300000".utf8))
            await session.close()
        }
    }

    @Test func `closing a connection ends its backend, and a reader that is behind holds up no other for ever`()
        async throws
    {
        try await Harness.run { harness async throws in
            let ended = NIOLockedValueBox(0)
            let session = try await harness.forward { port, connection in
                defer { ended.withLockedValue { $0 += 1 } }
                while port == 1 { try await connection.write(ByteBuffer(repeating: 1, count: 100_000)) }
                try await connection.write(ByteBuffer(string: "ok"))
            }
            let flood = try await session.open(port: 1)
            for try await _ in flood.inbound { break }
            flood.close()
            try await eventually("the backend ends") { ended.withLockedValue { $0 } == 1 }
            await #expect(throws: (any Error).self) { try await flood.write(ByteBuffer(string: "late")) }
            let other = try await session.open(port: 2)
            let answer = try await other.inbound.collect()
            #expect(answer == Array("ok".utf8))
            await session.close()
        }
    }

    @Test func `many connections after another leave nothing behind`() async throws {
        try await Harness.run { harness async throws in
            let session = try await harness.forward { _, connection in
                try await connection.write(ByteBuffer(string: "ok"))
            }
            for _ in 0..<200 {
                let connection = try await session.open(port: 80)
                let answer = try await connection.inbound.collect()
                #expect(answer == Array("ok".utf8))
            }
            try await eventually("no stream is left") { session.openStreams == 0 }
            await session.close()
            await #expect(throws: StreamingError.self) { _ = try await session.open(port: 80) }
            try await eventually("the session ends") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test func `what is under way ends with an error when the session is lost`() async throws {
        try await Harness.run { harness async throws in
            let state = NIOLockedValueBox("")
            let session = try await harness.forward { _, _ in
                state.withLockedValue { $0 = "running" }
                do { try await Task.sleep(for: .seconds(3600)) } catch {
                    state.withLockedValue { $0 = "cancelled" }
                    throw error
                }
            }
            let connection = try await session.open(port: 80)
            try await eventually("it runs") { state.withLockedValue { $0 } == "running" }
            await session.close()
            await #expect(throws: (any Error).self) { _ = try await connection.inbound.collect() }
            try await eventually("it is cancelled") { state.withLockedValue { $0 } == "cancelled" }
        }
    }
}
