import CLZ4
import CZlib
import Support

/// Compressed streams as the makers of foreign images write them.
enum Encodings {
    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        var stream = z_stream()
        deflateInit2_(
            &stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        defer { deflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
        let size = output.count
        return input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(size)
                precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
                return Array(target.prefix(size - Int(stream.avail_out)))
            }
        }
    }

    /// Apple's framing, byte by byte; what does not get smaller is stored plain.
    static func appleLZ4(_ bytes: [UInt8], blockSize: Int = 64 << 10) -> [UInt8] {
        let stream = LZ4_createStream()
        defer { LZ4_freeStream(stream) }
        var output: [UInt8] = []
        bytes.withUnsafeBytes { all in
            for start in stride(from: 0, to: bytes.count, by: blockSize) {
                let count = min(blockSize, bytes.count - start)
                var block = [UInt8](repeating: 0, count: Int(LZ4_compressBound(Int32(count))))
                let made = block.withUnsafeMutableBytes { target in
                    LZ4_compress_fast_continue(
                        stream, (all.baseAddress! + start).assumingMemoryBound(to: CChar.self),
                        target.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(count), Int32(target.count), 1)
                }
                if Int(made) < count {
                    output += Array("bv41".utf8) + number(count) + number(Int(made)) + block.prefix(Int(made))
                } else {
                    output += Array("bv4-".utf8) + number(count) + bytes[start..<start + count]
                }
            }
        }
        return output + Array("bv4$".utf8)
    }

    private static func number(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    /// Zeros, text that repeats over long distances, and noise.
    static func content(_ count: Int, _ random: inout SeededRandom) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(count + (64 << 10))
        while bytes.count < count {
            let size = Int.random(in: 1...(64 << 10), using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes += [UInt8](repeating: 0, count: size)
            case 1: bytes += random.bytes(size)
            case 2 where !bytes.isEmpty:
                let start = Int.random(in: 0..<bytes.count, using: &random)
                bytes += Array(bytes[start..<min(bytes.count, start + size)])
            default: bytes += (0..<size).map { UInt8(truncatingIfNeeded: $0 / 7) }
            }
        }
        return Array(bytes.prefix(count))
    }
}
