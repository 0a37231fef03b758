import Support
import Testing

@testable import VMImages

@Suite struct CodecTests {
    /// Feeds a stream in pieces cut at random.
    private func decoded(
        _ decoder: some StreamDecoder, _ stream: [UInt8], pieces: ClosedRange<Int>, _ random: inout SeededRandom
    ) throws -> [UInt8] {
        var made: [UInt8] = []
        var offset = 0
        while offset < stream.count {
            let count = min(stream.count - offset, Int.random(in: pieces, using: &random))
            try stream[offset..<offset + count].withUnsafeBytes { piece in
                try decoder.decode(piece) { made += $0 }
            }
            offset += count
        }
        try decoder.finish()
        return made
    }

    @Test("gzip is decoded however the stream is cut, one member or two")
    func gzip() throws {
        var random = Faults.random("gzip")
        for _ in 0..<Faults.rounds {
            let content = Encodings.content(Int.random(in: 0...700_000, using: &random), &random)
            let stream = Encodings.gzip(content)
            #expect(try decoded(GzipDecoder(), stream, pieces: 1...9000, &random) == content)
            #expect(try decoded(GzipDecoder(), stream + stream, pieces: 1...90_000, &random) == content + content)
        }
    }

    @Test("Apple's LZ4 is decoded however the stream is cut, with references into former blocks")
    func lz4() throws {
        var random = Faults.random("LZ4")
        for _ in 0..<Faults.rounds {
            let content = Encodings.content(Int.random(in: 0...700_000, using: &random), &random)
            for size in [1 << 10, 64 << 10, 300_000] {
                let stream = Encodings.appleLZ4(content, blockSize: size)
                #expect(try decoded(AppleLZ4Decoder(), stream, pieces: 1...40_000, &random) == content)
                #expect(try decoded(AppleLZ4Decoder(), stream, pieces: 1 << 20...1 << 20, &random) == content)
            }
        }
    }

    @Test("a block may refer to what was decoded before it")
    func window() throws {
        var random = SeededRandom(seed: 1)
        let text = random.bytes(60_000)
        let once = Encodings.appleLZ4(text, blockSize: 60_000)
        let twice = Encodings.appleLZ4(text + text, blockSize: 60_000)
        #expect(twice.count < once.count + 1000)
        #expect(try decoded(AppleLZ4Decoder(), twice, pieces: 7...7, &random) == text + text)
    }

    private static let plain = Array("bv4-".utf8)
    private static let packed = Array("bv41".utf8)
    private static let large: [UInt8] = [0, 0, 0, 0x40, 1, 0, 0, 0, 0]
    private static let largePacked: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0x7f]
    private static let nothing: [UInt8] = [1, 0, 0, 0, 0, 0, 0, 0]
    private static let broken: [UInt8] = [16, 0, 0, 0, 3, 0, 0, 0, 0x1f, 0xff, 0xff]
    private static let ended = Array("bv4$x".utf8)
    static let damaged: [[UInt8]] = [
        Array("nonsense".utf8), packed + large, packed + largePacked, packed + nothing, packed + broken,
        plain + [0xff, 0xff, 0xff, 0xff] as [UInt8], ended, Array("bv4".utf8), [],
    ]

    @Test("a damaged stream is refused, and its sizes are not believed", arguments: damaged)
    func damagedLZ4(stream: [UInt8]) {
        var random = SeededRandom(seed: 1)
        #expect(throws: CodecError.self) { try decoded(AppleLZ4Decoder(), stream, pieces: 1...3, &random) }
    }

    @Test("a gzip stream that is cut or changed is refused")
    func damagedGzip() {
        var random = SeededRandom(seed: 1)
        let stream = Encodings.gzip(Encodings.content(100_000, &random))
        var changed = stream
        changed[stream.count / 2] ^= 1
        for bad in [Array(stream.dropLast(3)), changed, [], stream + [1, 2, 3], Array("no gzip".utf8)] {
            #expect(throws: CodecError.self) { try decoded(GzipDecoder(), bad, pieces: 1...900, &random) }
        }
    }

    @Test("a frame of zstd never becomes larger than the room for it, and the same bytes make the same frame")
    func zstd() throws {
        var random = SeededRandom(seed: 3)
        let encoder = ZstdEncoder()
        let decoder = ZstdDecoder()
        for count in [1, 4000, 4 << 20] {
            let content = Encodings.content(count, &random)
            func encode(_ encoder: ZstdEncoder) throws -> [UInt8] {
                var frame = [UInt8](repeating: 0, count: ZstdEncoder.bound(count))
                let size = try frame.withUnsafeMutableBytes { target in
                    try content.withUnsafeBytes { try encoder.encode($0, into: target) }
                }
                return Array(frame.prefix(size))
            }
            let frame = try encode(encoder)
            #expect(try encode(ZstdEncoder()) == frame)
            func decode(_ frame: [UInt8], room: Int) throws -> [UInt8] {
                var bytes = [UInt8](repeating: 0, count: room)
                let size = try bytes.withUnsafeMutableBytes { target in
                    try frame.withUnsafeBytes { try decoder.decode($0, into: target) }
                }
                return Array(bytes.prefix(size))
            }
            #expect(try decode(frame, room: count) == content)
            #expect(throws: CodecError.self) { try decode(frame, room: count - 1) }
            #expect(throws: CodecError.self) { try decode(Array(frame.dropLast()), room: count) }
            #expect(try decode(frame, room: count) == content, "a decoder goes on after damage")
        }
    }
}
