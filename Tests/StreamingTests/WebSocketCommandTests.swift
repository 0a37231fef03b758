import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Support
import Testing

@testable import Streaming

@Suite struct WebSocketCommandTests {
    private static let success = #"{"metadata":{},"status":"Success"}"#
    private static let output = RemoteCommandOptions(stdin: false, stdout: true, stderr: true, tty: false)
    private static let all = RemoteCommandOptions(stdin: true, stdout: true, stderr: true, tty: false)
    private static let both: RemoteCommandBackend = { io in
        try? await io.stdout?.write(ByteBuffer(string: "hi\n"))
        try? await io.stderr?.write(ByteBuffer(string: "oh"))
        return .exited(code: 0)
    }

    private static func exec(
        _ options: RemoteCommandOptions, _ backend: @escaping RemoteCommandBackend
    ) -> StreamingRequest { .exec(RemoteCommand(options: options, backend: backend)) }

    @Test(arguments: ["v5.channel.k8s.io", "v4.channel.k8s.io"])
    func `a command's output and end come as a kubelet sends them`(name: String) async throws {
        try await Harness.run { harness async throws in
            let peer = try await WebSocketPeer.connect(harness, Self.exec(Self.output, Self.both), offering: name)
            #expect(peer.subprotocol == name)
            let received = try await peer.rest()
            #expect(
                received == [
                    .message([1]), .message([1] + Array("hi\n".utf8)), .message([2] + Array("oh".utf8)),
                    .message([3] + Array(Self.success.utf8)), .close(1000),
                ])
        }
    }

    @Test(arguments: [("channel.k8s.io", 3), ("", 3)] as [(String, UInt8)])
    func `the first protocol has no word for success, and texts for failure`(name: String, error: UInt8) async throws {
        try await Harness.run { harness async throws in
            func run(_ backend: @escaping RemoteCommandBackend) async throws -> [WebSocketPeer.Received] {
                let request = Self.exec(Self.output, backend)
                let peer =
                    name.isEmpty
                    ? try await WebSocketPeer.connect(harness, request)
                    : try await WebSocketPeer.connect(harness, request, offering: name)
                #expect(peer.subprotocol == (name.isEmpty ? nil : name))
                return try await peer.rest()
            }
            let well = try await run(Self.both)
            #expect(well.text(of: 1) == "hi\n")
            #expect(well.text(of: error) == "")
            let badly = try await run { _ in .exited(code: 3) }
            #expect(badly.text(of: error) == "command terminated with non-zero exit code: exit status 3")
        }
    }

    @Test(arguments: ["v4.base64.channel.k8s.io", "base64.channel.k8s.io"])
    func `channels come in base64 where the client wants that`(name: String) async throws {
        try await Harness.run { harness async throws in
            let request = Self.exec(Self.all) { io in
                guard let bytes = try? await io.stdin?.makeAsyncIterator().next() else { return .exited(code: 9) }
                try? await io.stdout?.write(bytes)
                return .exited(code: 0)
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: name)
            try await peer.send(Array("0Zm9vCg==".utf8), .text)
            let received = try await peer.rest()
            #expect(received.text(of: UInt8(ascii: "1")) == "Zm9vCg==")
        }
    }

    @Test(arguments: [1, 3, 137, 255] as [Int32])
    func `the exit code arrives exactly`(code: Int32) async throws {
        try await Harness.run { harness async throws in
            let request = Self.exec(Self.output) { _ in .exited(code: code) }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v5.channel.k8s.io")
            let status = try await peer.rest().text(of: 3)
            #expect(CommandStatus.decode(ByteBuffer(string: status), version: 5) == .exited(code: code))
        }
    }

    @Test func `input ends with the signal of the fifth protocol, and its output goes on`() async throws {
        try await Harness.run { harness async throws in
            let request = Self.exec(Self.all) { io in
                let input = (try? await io.stdin?.collect()) ?? []
                try? await io.stdout?.write(ByteBuffer(bytes: input))
                return .exited(code: 0)
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v5.channel.k8s.io")
            try await peer.send(0, "some ")
            try await peer.send(0, "input")
            // Channels that are not the client's to write on, or are none.
            try await peer.send(1, "x")
            try await peer.send(77, "x")
            try await peer.send([255, 0])
            let received = try await peer.rest()
            #expect(received.text(of: 1) == "some input")
            #expect(received.text(of: 3) == Self.success)
        }
    }

    @Test func `a terminal's sizes arrive`() async throws {
        try await Harness.run { harness async throws in
            let request = Self.exec(RemoteCommandOptions(stdin: true, stdout: true, stderr: false, tty: true)) { io in
                for await size in io.resizes {
                    try? await io.stdout?.write(ByteBuffer(string: "\(size.width)x\(size.height);"))
                    if size.width == 100 { break }
                }
                return .exited(code: 0)
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v5.channel.k8s.io")
            try await peer.send(4, #"{"Width":80,"Height":24}"#)
            #expect(try await peer.next() == .message([1]))
            #expect(try await peer.next() == .message([1] + Array("80x24;".utf8)))
            try await peer.send(4, #"{"Width":100,"Height":50}"#)
            #expect(try await peer.rest().text(of: 1) == "100x50;")
        }
    }

    @Test func `large input and output pass in one message each or many`() async throws {
        try await Harness.run { harness async throws in
            let request = Self.exec(Self.all) { io in
                var count = 0
                do {
                    for try await bytes in io.stdin ?? ByteStream() {
                        count += bytes.readableBytes
                        try await io.stdout?.write(bytes)
                    }
                } catch {
                    return .failed(message: "\(error)")
                }
                return .exited(code: count == 3_000_000 ? 0 : 1)
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v5.channel.k8s.io")
            async let sent: Void = {
                try await peer.send([0] + [UInt8](repeating: 7, count: 2_000_000))
                for _ in 0..<1000 { try await peer.send([0] + [UInt8](repeating: 7, count: 1000)) }
                try await peer.send([255, 0])
            }()
            let received = try await peer.rest()
            try await sent
            #expect(received.text(of: 1).utf8.count == 3_000_000)
            #expect(received.text(of: 3) == Self.success)
        }
    }

    @Test func `pings are answered, in the midst of a message too`() async throws {
        try await Harness.run { harness async throws in
            let request = Self.exec(Self.all) { io in
                let bytes = try? await io.stdin?.collect()
                try? await io.stdout?.write(ByteBuffer(bytes: bytes ?? []))
                return .exited(code: 0)
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v5.channel.k8s.io")
            try await peer.put([0x02, 0x82, 0, 0, 0, 0, 0, UInt8(ascii: "a")])
            try await peer.send([1, 2, 3], .ping)
            try await peer.put([0x80, 0x81, 0, 0, 0, 0, UInt8(ascii: "b")])
            #expect(try await peer.next() == .message([1]))
            #expect(try await peer.next() == .pong)
            try await peer.send([255, 0])
            #expect(try await peer.rest().text(of: 1) == "ab")
        }
    }

    @Test(
        arguments: [
            ([0x82, 0x01, 0], 1002), ([0xc2, 0x80, 0, 0, 0, 0], 1002), ([0x80, 0x80, 0, 0, 0, 0], 1002),
            ([0x82, 0x81, 0, 0, 0, 0, 255], 1002), ([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed], 1002),
        ] as [([UInt8], UInt16)])
    func `a client that breaks the protocol is told, and its command ends`(frame: [UInt8], code: UInt16) async throws {
        try await Harness.run { harness async throws in
            let isCancelled = NIOLockedValueBox(false)
            let request = Self.exec(Self.all) { _ in
                try? await Task.sleep(for: .seconds(3600))
                isCancelled.withLockedValue { $0 = true }
                return .failed(message: "cancelled")
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v5.channel.k8s.io")
            #expect(try await peer.next() == .message([1]))
            try await peer.put(frame)
            #expect(try await peer.next() == .close(code))
            await peer.connection.close()
            try await eventually("the command is cancelled") { isCancelled.withLockedValue { $0 } }
            try await eventually("the session is over") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test(arguments: [true, false])
    func `a client that goes away ends the command`(politely: Bool) async throws {
        try await Harness.run { harness async throws in
            let isCancelled = NIOLockedValueBox(false)
            let request = Self.exec(Self.all) { _ in
                try? await Task.sleep(for: .seconds(3600))
                isCancelled.withLockedValue { $0 = true }
                return .failed(message: "cancelled")
            }
            let peer = try await WebSocketPeer.connect(harness, request, offering: "v4.channel.k8s.io")
            #expect(try await peer.next() == .message([1]))
            if politely {
                try await peer.close()
                #expect(try await peer.next() == .close(1000))
            } else {
                // Input that nobody reads must not hide the end.
                try await peer.send([0] + [UInt8](repeating: 1, count: 600_000))
                await peer.connection.close()
            }
            try await eventually("the command is cancelled") { isCancelled.withLockedValue { $0 } }
            try await eventually("the session is over") { harness.sessions.withLockedValue { $0 } == 0 }
        }
    }

    @Test(
        arguments: [
            (["sec-websocket-version": "13"], .GET, 400),
            (["sec-websocket-key": "AA==", "sec-websocket-version": "13"], .GET, 400),
            (["sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="], .GET, 426),
            (["sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "8"], .GET, 426),
            (["sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13"], .POST, 405),
            (
                [
                    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==", "sec-websocket-version": "13",
                    "sec-websocket-protocol": "chat, v6.channel.k8s.io",
                ], .GET, 403
            ),
        ] as [(HTTPHeaders, HTTPMethod, UInt)])
    func `a handshake that lacks something is refused`(headers: HTTPHeaders, method: HTTPMethod, status: UInt)
        async throws
    {
        try await Harness.run { harness async throws in
            await #expect {
                _ = try await WebSocketPeer.upgrade(harness, Self.exec(Self.output, Self.both), headers, method)
            } throws: {
                ($0 as? HTTPUpgradeRefused)?.status.code == status
            }
        }
    }
}
