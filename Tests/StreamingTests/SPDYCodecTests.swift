import NIOCore
import Support
import Testing

@testable import Streaming

@Suite struct SPDYCodecTests {
    private static let frames: [SPDYFrame] = [
        .synStream(stream: 1, headers: ["streamtype": "error", "port": "80", "empty": ""], fin: false),
        .synReply(stream: 1, headers: [:], fin: false),
        .synStream(stream: 3, headers: ["streamtype": "data", "port": "80"], fin: true),
        .data(stream: 1, bytes: ByteBuffer(string: "hello"), fin: false),
        .data(stream: 1, bytes: ByteBuffer(), fin: true),
        .ping(id: 7), .rstStream(stream: 3, status: 5), .windowUpdate(stream: 0, delta: 65536), .goAway(lastStream: 3),
    ]

    @Test func `the dictionary is the one of the protocol`() {
        // Adler-32 (RFC 1950) as zlib announces it in every first header block.
        let (a, b) = SPDYDictionary.bytes.reduce((UInt32(1), UInt32(0))) { sums, byte in
            let a = (sums.0 + UInt32(byte)) % 65521
            return (a, (sums.1 + a) % 65521)
        }
        #expect(SPDYDictionary.bytes.count == 1423)
        #expect(b << 16 | a == 0xe3c6_a7c2)
    }

    @Test(arguments: [1, 3, 7, 8, 9, 100, 10_000])
    func `frames survive however their bytes are cut`(size: Int) throws {
        let encoder = SPDYEncoder()
        var wire = ByteBuffer()
        for frame in Self.frames { encoder.encode(frame, into: &wire) }
        var decoder = SPDYDecoder()
        var found: [SPDYFrame] = []
        while let piece = wire.readSlice(length: min(size, wire.readableBytes)), piece.readableBytes > 0 {
            decoder.append(piece)
            while let frame = try decoder.next() { found.append(frame) }
        }
        // Data comes in the pieces it was cut into.
        var merged: [SPDYFrame] = []
        for frame in found {
            if case .data(let stream, var more, let fin) = frame, more.readableBytes > 0,
                case .data(stream, var bytes, false)? = merged.last
            {
                bytes.writeBuffer(&more)
                merged[merged.count - 1] = .data(stream: stream, bytes: bytes, fin: fin)
            } else {
                merged.append(frame)
            }
        }
        #expect(merged == Self.frames)
    }

    @Test func `control frames have the bytes of the protocol`() {
        var wire = ByteBuffer()
        SPDYEncoder().encode(.ping(id: 1), into: &wire)
        #expect(Array(wire.readableBytesView) == [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1])
        wire.clear()
        SPDYEncoder().encode(.data(stream: 5, bytes: ByteBuffer(bytes: [9]), fin: true), into: &wire)
        #expect(Array(wire.readableBytesView) == [0, 0, 0, 5, 1, 0, 0, 1, 9])
    }

    @Test(
        arguments: [
            [0x80, 2, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1], [0x80, 3, 0, 6, 0, 0, 0, 2, 0, 1],
            [0x80, 3, 0, 1, 0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0],
            [0x80, 3, 0, 1, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xff, 0xff],
            [0x80, 3, 0, 4, 0, 0xff, 0xff, 0xff],
        ] as [[UInt8]])
    func `a malformed frame is refused`(bytes: [UInt8]) {
        var decoder = SPDYDecoder()
        decoder.append(ByteBuffer(bytes: bytes))
        #expect(throws: SPDYProtocolError.self) { _ = try decoder.next() }
    }

    @Test func `random bytes never crash the decoder`() {
        var random = Faults.random("SPDY decoder")
        for _ in 0..<(Faults.rounds * 400) {
            var decoder = SPDYDecoder()
            var wire = ByteBuffer()
            let encoder = SPDYEncoder()
            for frame in Self.frames where Bool.random(using: &random) { encoder.encode(frame, into: &wire) }
            for _ in 0..<Int.random(in: 0...6, using: &random) where wire.readableBytes > 0 {
                wire.setInteger(
                    UInt8.random(in: 0...255, using: &random),
                    at: Int.random(in: 0..<wire.readableBytes, using: &random))
            }
            decoder.append(wire)
            do { while try decoder.next() != nil {} } catch {}
        }
    }
}
