import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Brings a file into the store: a clone where the file system can, else a copy; holes stay holes and are not read.
struct DiskCopy {
    /// Told how many more bytes of data have been read.
    var advanced: (Int64) throws -> Void
    /// Runs of zeros at least this long become holes.
    private static let blockSize = 64 << 10

    /// - Parameter place: a path that does not exist yet. What is there when this throws is the caller's to remove.
    /// - Returns: what the copy holds. It is synced.
    func copy(_ source: OpenFile, to place: String) throws -> DiskIndex {
        if let clone = try OpenFile.clone(source, to: place) {
            let index = try read(clone, writingTo: nil)
            try clone.sync()
            return index
        }
        let copy = try OpenFile.creating(place)
        let index = try read(source, writingTo: copy)
        try copy.truncate(to: index.size)
        try copy.sync()
        return index
    }

    /// Reads what a file holds, and copies it.
    func read(_ source: OpenFile, writingTo copy: OpenFile?) throws -> DiskIndex {
        let size = Int64(try source.facts().st_size)
        let chunkSize = Int64(DiskIndex.chunkSize)
        let hash = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: DiskIndex.chunkSize, alignment: 4096)
        defer { buffer.deallocate() }
        var chunks: [DiskIndex.Chunk] = []
        var next = try source.data(from: 0, size: size)
        while let data = next {
            let offset = data.lowerBound / chunkSize * chunkSize
            let end = min(offset + chunkSize, size)
            let chunk = UnsafeMutableRawBufferPointer(rebasing: buffer[..<Int(end - offset)])
            chunk.initializeMemory(as: UInt8.self, repeating: 0)
            // All stretches of data in this chunk; the last may go on in the next one.
            while let stretch = next, stretch.lowerBound < end {
                let stop = min(stretch.upperBound, end)
                let part = UnsafeMutableRawBufferPointer(
                    rebasing: chunk[Int(stretch.lowerBound - offset)..<Int(stop - offset)])
                let count = try source.read(part, at: stretch.lowerBound)
                guard count == part.count else {
                    throw VMImageError(.failed, "\(source.path) became shorter while it was read: try again")
                }
                try advanced(Int64(count))
                next =
                    stop < stretch.upperBound ? stop..<stretch.upperBound : try source.data(from: stop, size: size)
            }
            let bytes = UnsafeRawBufferPointer(chunk)
            guard !Self.isZero(bytes) else { continue }
            hash.update(bytes)
            chunks.append(.init(offset: offset, digest: hash.finish()))
            if let copy { try Self.write(bytes, to: copy, at: offset) }
        }
        return DiskIndex(size: size, chunks: chunks)
    }

    /// Leaves out blocks of zeros, and writes those between them at once.
    private static func write(_ bytes: UnsafeRawBufferPointer, to copy: OpenFile, at offset: Int64) throws {
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
    private static func isZero(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let base = bytes.baseAddress, bytes.count > 1 else { return bytes.allSatisfy { $0 == 0 } }
        return bytes[0] == 0 && memcmp(base, base + 1, bytes.count - 1) == 0
    }
}
