import NIOCore
import Testing

@testable import Streaming

@Suite struct WebSocketCodecTests {
    private static let hello = ByteBuffer(string: "Hello")

    /// The examples of RFC 6455, 5.7.
    @Test(
        arguments: [
            (false, "810548656c6c6f", [data("Hello", isText: true)]),
            (true, "818537fa213d7f9f4d5158", [data("Hello", isText: true)]),
            (
                false, "010348656c80026c6f",
                [data("Hel", isText: true, isEnd: false), data("lo", isText: true, isStart: false)]
            ),
            (false, "890548656c6c6f", [.ping(ByteBuffer(string: "Hello"))]), (true, "8a8537fa213d7f9f4d5158", [.pong]),
            (false, "8200", [data("")]),
            // A control frame between a message's parts.
            (
                false, "010348656c890080026c6f",
                [
                    data("Hel", isText: true, isEnd: false), .ping(ByteBuffer()),
                    data("lo", isText: true, isStart: false),
                ]
            ), (false, "880203e8", [.close(code: 1000, reason: "")]), (false, "8800", [.close(code: nil, reason: "")]),
            (false, "880503e9627965", [.close(code: 1001, reason: "bye")]),
        ] as [(Bool, String, [WebSocketPiece])])
    func `the examples of the RFC are understood`(fromClient: Bool, hex: String, pieces: [WebSocketPiece]) throws {
        #expect(try Self.decode(fromClient, bytes(hex)) == pieces)
    }

    @Test(arguments: [(256, "827e0100"), (65536, "827f0000000000010000"), (125, "827d"), (126, "827e007e")])
    func `lengths take the fewest bytes, and are understood in any portions`(length: Int, head: String) throws {
        let payload = ByteBuffer(bytes: (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7) })
        var wire = ByteBuffer()
        WebSocketEncoder(masks: false).encode(.binary, payload, into: &wire)
        #expect(Array(wire.readableBytesView.prefix(head.utf8.count / 2)) == bytes(head))
        for masks in [false, true] {
            for portion in [1, 3, 1000, .max] {
                var wire = ByteBuffer()
                WebSocketEncoder(masks: masks).encode(.binary, prefix: [9, 8], payload, into: &wire)
                let pieces = try Self.decode(masks, Array(wire.readableBytesView), portion: portion)
                #expect(Self.joined(pieces) == [9, 8] + Array(payload.readableBytesView))
                #expect(pieces.filter { if case .data(_, _, true, _) = $0 { true } else { false } }.count == 1)
                #expect(pieces.filter { if case .data(_, _, _, true) = $0 { true } else { false } }.count == 1)
            }
        }
    }

    @Test(arguments: [
        ("c10548656c6c6f", "reserved bits", 1002), ("8300", "an unknown opcode", 1002), ("8b00", "so of control", 1002),
        ("0900", "a fragmented ping", 1002), ("897e007e", "a long ping", 1002), ("8000", "continues nothing", 1002),
        ("01008200", "begins inside a message", 1002), ("827e007d", "a length in too many bytes", 1002),
        ("827f000000000000ffff", "so of eight", 1002), ("827fffffffffffffffff", "a negative length", 1002),
        ("880103", "half a code", 1002), ("880203ed", "a code that stands for none", 1002),
        ("88020bb7", "no such code", 1002),
        ("880303e8ff", "a reason that is no text", 1007), ("818537fa213d7f9f4d5158", "masked by a server", 1002),
    ])
    func `malformed frames are refused`(hex: String, what: String, code: Int) {
        #expect(what.isEmpty == false)
        #expect { _ = try Self.decode(false, bytes(hex)) } throws: {
            ($0 as? WebSocketProtocolError)?.code == UInt16(code)
        }
    }

    @Test func `a client must mask`() {
        #expect(throws: WebSocketProtocolError.self) { _ = try Self.decode(true, bytes("810548656c6c6f")) }
    }

    @Test func `a close's reason is cut where a control frame ends, and not within a character`() throws {
        var wire = ByteBuffer()
        WebSocketEncoder(masks: false).encodeClose(1002, reason: String(repeating: "é", count: 100), into: &wire)
        let pieces = try Self.decode(false, Array(wire.readableBytesView))
        #expect(pieces == [.close(code: 1002, reason: String(repeating: "é", count: 61))])
    }

    @Test(arguments: [
        ("", "da39a3ee5e6b4b0d3255bfef95601890afd80709"), ("abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        ),
    ])
    func `digests are those of the standard`(text: String, digest: String) {
        #expect(SHA1.digest(Array(text.utf8)) == bytes(digest))
    }

    @Test func `the handshake's proof is that of the RFC`() {
        #expect(WebSocketHandshake.accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    // MARK: Channels

    private static let bytesOf: @Sendable (String) -> ByteBuffer = { ByteBuffer(string: $0) }

    @Test(
        arguments: [
            (ChannelCodec.raw, ["\u{0}hi"], [.bytes(channel: 0, ByteBuffer(string: "hi"))]),
            (
                .raw, ["\u{4}", "hi", "!"],
                [
                    .bytes(channel: 4, ByteBuffer(string: "hi")), .bytes(channel: 4, ByteBuffer(string: "!")),
                ]
            ),
            (.raw, [""], []), (.raw, ["\u{1}"], []),
            (.base64, ["0Zm9vCg=="], [.bytes(channel: 0, ByteBuffer(string: "foo\n"))]),
            (
                .base64, ["1Z", "m9vYm", "Fy"],
                [
                    .bytes(channel: 1, ByteBuffer(string: "foo")), .bytes(channel: 1, ByteBuffer(string: "bar")),
                ]
            ), (.base64, ["2"], []),
        ] as [(ChannelCodec, [String], [ChannelMessages.Event])])
    func `messages are taken apart`(codec: ChannelCodec, parts: [String], events: [ChannelMessages.Event]) throws {
        var messages = ChannelMessages(codec: codec, knowsCloseSignal: false)
        // Twice: nothing may be left of the first.
        for _ in 0..<2 {
            let found = try parts.enumerated().compactMap { index, part in
                try messages.take(ByteBuffer(string: part), isEnd: index == parts.count - 1)
            }
            #expect(found == events)
        }
    }

    @Test(arguments: ["0Zm9", "0Zm9v=", "0!!!!", "0Zg==Zg="])
    func `what is no base64 is refused`(text: String) {
        var messages = ChannelMessages(codec: .base64, knowsCloseSignal: false)
        #expect(throws: WebSocketProtocolError.self) { _ = try messages.take(ByteBuffer(string: text), isEnd: true) }
    }

    @Test func `a channel is ended by its signal, where that is known`() throws {
        var messages = ChannelMessages(codec: .raw, knowsCloseSignal: true)
        #expect(try messages.take(ByteBuffer(bytes: [255, 0]), isEnd: true) == .ended(channel: 0))
        #expect(try messages.take(ByteBuffer(bytes: [255]), isEnd: false) == nil)
        #expect(try messages.take(ByteBuffer(bytes: [2]), isEnd: true) == .ended(channel: 2))
        var older = ChannelMessages(codec: .raw, knowsCloseSignal: false)
        #expect(
            try older.take(ByteBuffer(bytes: [255, 0]), isEnd: true)
                == .bytes(channel: 255, ByteBuffer(bytes: [0])))
        for bad in [[255], [255, 0, 0]] as [[UInt8]] {
            #expect(throws: WebSocketProtocolError.self) { _ = try messages.take(ByteBuffer(bytes: bad), isEnd: true) }
        }
    }

    // MARK: Helpers

    private static func data(
        _ text: String, isText: Bool = false, isStart: Bool = true, isEnd: Bool = true
    ) -> WebSocketPiece {
        .data(ByteBuffer(string: text), isText: isText, isStart: isStart, isEnd: isEnd)
    }

    private static func decode(_ fromClient: Bool, _ wire: [UInt8], portion: Int = .max) throws -> [WebSocketPiece] {
        var decoder = WebSocketDecoder(fromClient: fromClient)
        var pieces: [WebSocketPiece] = []
        var rest = wire[...]
        while !rest.isEmpty {
            decoder.append(ByteBuffer(bytes: rest.prefix(portion)))
            rest = rest.dropFirst(portion)
            while let piece = try decoder.next() { pieces.append(piece) }
        }
        return pieces
    }

    private static func joined(_ pieces: [WebSocketPiece]) -> [UInt8] {
        pieces.reduce(into: []) { all, piece in
            if case .data(let bytes, _, _, _) = piece { all += bytes.readableBytesView }
        }
    }
}

private func bytes(_ hex: String) -> [UInt8] {
    let digits = hex.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
