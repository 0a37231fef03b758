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
            guard !SparseBytes.isZero(bytes) else { continue }
            hash.update(bytes)
            chunks.append(.init(offset: offset, digest: hash.finish()))
            if let copy { try SparseBytes.write(bytes, to: copy, at: offset) }
        }
        return DiskIndex(size: size, chunks: chunks)
    }
}
