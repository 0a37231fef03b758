#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Writing that keeps holes.
enum SparseBytes {
    /// Runs of zeros at least this long become holes.
    private static let blockSize = 64 << 10

    /// Leaves out blocks of zeros, and writes those between them at once.
    static func write(_ bytes: UnsafeRawBufferPointer, to copy: OpenFile, at offset: Int64) throws {
        var start: Int?
        for block in stride(from: 0, to: bytes.count, by: blockSize) {
            let end = min(block + blockSize, bytes.count)
            if isZero(UnsafeRawBufferPointer(rebasing: bytes[block..<end])) {
                if let first = start {
                    try copy.write(UnsafeRawBufferPointer(rebasing: bytes[first..<block]), at: offset + Int64(first))
                }
                start = nil
            } else if start == nil {
                start = block
            }
        }
        if let start { try copy.write(UnsafeRawBufferPointer(rebasing: bytes[start...]), at: offset + Int64(start)) }
    }

    /// As fast as memory: each byte is the one before it, and the first is zero.
    static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress, bytes.count > 1 else { return bytes.allSatisfy { $0 == 0 } }
        return bytes[0] == 0 && memcmp(base, base + 1, bytes.count - 1) == 0
    }
}
