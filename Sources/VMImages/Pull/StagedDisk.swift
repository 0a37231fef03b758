import NIOConcurrencyHelpers

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A disk that is being put together from frames and layers, in any order and by several threads. Everything blocks.
final class StagedDisk: Sendable {
    let number: Int
    let file: OpenFile
    let size: Int64
    /// The digests of the runs of 1 MiB that are known and not zeros.
    private let known: NIOLockedValueBox<[Int64: String]>

    /// - Parameter path: goes on with what is there.
    init(number: Int, path: String, size: Int64, known: [Int64: String]) throws {
        self.number = number
        self.size = size
        self.known = NIOLockedValueBox(known)
        file = try OpenFile.locking(path)
        if Int64(try file.facts().st_size) != size { try file.truncate(to: size) }
    }

    var digests: [Int64: String] { known.withLockedValue { $0 } }

    func length(at offset: Int64) -> Int { Int(min(Int64(DiskIndex.chunkSize), size - offset)) }

    /// Writes what is known to be right; holes are kept.
    /// - Parameter offset: a multiple of 1 MiB; `bytes` are all of the run there.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64, digest: String) throws {
        try SparseBytes.write(bytes, to: file, at: offset)
        set(digest, at: offset)
    }

    func set(_ digest: String?, at offset: Int64) { known.withLockedValue { $0[offset] = digest } }

    /// What the disk holds, once everything is there. Runs that nobody could hash, because two layers share them, are read.
    func index(reading shared: Set<Int64>) throws -> DiskIndex {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: DiskIndex.chunkSize, alignment: 4096)
        defer { buffer.deallocate() }
        let hash = SHA256()
        var digests = digests
        for offset in shared where offset < size {
            let run = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length(at: offset)])
            guard try file.read(run, at: offset) == run.count else {
                throw VMImageError(.failed, "\(file.path) became shorter while it was written: pull the image again")
            }
            if SparseBytes.isZero(UnsafeRawBufferPointer(run)) {
                digests[offset] = nil
            } else {
                hash.update(UnsafeRawBufferPointer(run))
                digests[offset] = hash.finish()
            }
        }
        return DiskIndex(
            size: size, chunks: digests.sorted { $0.key < $1.key }.map { .init(offset: $0.key, digest: $0.value) })
    }
}

/// Writes a stream to its place on a disk, and hashes it: as a whole, and in the disk's runs of 1 MiB. One thread at a time
/// uses it. What it writes is not known to be right until the whole of it is.
final class LayerWriter {
    private let disk: StagedDisk
    private let start: Int64
    private let limit: Int64
    private let whole = SHA256()
    private let part = SHA256()
    private let buffer: UnsafeMutableRawBufferPointer
    private var filled = 0
    private(set) var written: Int64 = 0
    /// The digests of the runs that this layer alone fills.
    private(set) var runs: [Int64: String] = [:]
    /// The runs of which others have a part.
    private(set) var shared: Set<Int64> = []

    /// - Parameters:
    ///   - start: in the disk.
    ///   - limit: the most that may come.
    init(_ disk: StagedDisk, start: Int64, limit: Int64) {
        self.disk = disk
        self.start = start
        self.limit = limit
        buffer = .allocate(byteCount: DiskIndex.chunkSize, alignment: 4096)
    }

    deinit { buffer.deallocate() }

    private var offset: Int64 { start + written }
    private var run: Int64 { offset / Int64(DiskIndex.chunkSize) * Int64(DiskIndex.chunkSize) }

    func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard Int64(bytes.count) <= limit - written - Int64(filled) else {
            throw CodecError("it becomes more than the \(limit) bytes it says it has")
        }
        var rest = bytes
        while !rest.isEmpty {
            let room = Int(run + Int64(disk.length(at: run)) - offset) - filled
            let count = min(room, rest.count)
            UnsafeMutableRawBufferPointer(rebasing: buffer[filled..<filled + count])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
            filled += count
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            if count == room { try flush() }
        }
    }

    /// Ends the layer.
    /// - Returns: the digest of all of it, in hexadecimal.
    func finish() throws -> String {
        try flush()
        return whole.finish()
    }

    private func flush() throws {
        guard filled > 0 else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<filled])
        whole.update(bytes)
        let isZero = SparseBytes.isZero(bytes)
        if filled < disk.length(at: run) {
            shared.insert(run)
        } else if !isZero {
            part.update(bytes)
            runs[run] = part.finish()
        }
        if !isZero { try SparseBytes.write(bytes, to: disk.file, at: offset) }
        written += Int64(filled)
        filled = 0
    }
}
