import Measuring

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A disk with zeros, text, and noise, in stretches of 16 MiB.
enum DiskMaker {
    static func make(_ path: String, mebibytes: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        guard descriptor >= 0, ftruncate(descriptor, off_t(mebibytes) << 20) == 0 else {
            throw BenchError(description: "\(path) cannot be made")
        }
        let words = ["image ", "machine ", "registry ", "frame ", "index ", "\n", "0123 ", "of the "].map {
            Array($0.utf8)
        }
        var random = SystemRandomNumberGenerator()
        for stretch in stride(from: 0, to: mebibytes, by: 16) {
            let kind = stretch / 16 % 4
            guard kind > 1 else { continue }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(17 << 20)
            let count = min(16, mebibytes - stretch) << 20
            while bytes.count < count {
                var number = random.next()
                for _ in 0..<8 {
                    if kind == 2 {
                        bytes += words[Int(number & 7)]
                    } else {
                        bytes.append(UInt8(truncatingIfNeeded: number))
                    }
                    number >>= 8
                }
            }
            guard pwrite(descriptor, bytes, count, off_t(stretch) << 20) == count else {
                throw BenchError(description: "\(path) cannot be written")
            }
        }
        guard fsync(descriptor) == 0 else { throw BenchError(description: "\(path) cannot be written") }
    }

    /// Writes noise to extents of 1 MiB anywhere, as a guest that was updated has.
    static func rewrite(_ path: String, mebibytes: Int, extents: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        defer { close(descriptor) }
        guard descriptor >= 0 else { throw BenchError(description: "\(path) cannot be opened") }
        var random = SystemRandomNumberGenerator()
        for place in Set(0..<mebibytes).shuffled(using: &random).prefix(extents) {
            let bytes = (0..<1 << 17).map { _ in random.next() }
            let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(place) << 20) }
            guard count == 1 << 20 else { throw BenchError(description: "\(path) cannot be written") }
        }
    }
}
