/// What a disk holds: the digest of each run of 1 MiB that is not all zeros. Its own digest names the disk, so that a disk
/// of 128 GiB with 2 GiB of data is read and hashed as 2 GiB, and the same content has the same name however sparse its
/// file is.
public struct DiskIndex: Sendable, Hashable {
    public static let mediaType = "application/vnd.vzcri.vm.disk.index.v1+text"
    /// What a guest reads when it starts lies here and there: of runs of 4 MiB 1.7 times of what a Debian guest read had to
    /// come, of these 0.9 times (compressed). Smaller ones make indexes longer.
    static let chunkSize = 1 << 20
    private static let heading = "vzcri disk index 1"

    public struct Chunk: Sendable, Hashable {
        public var offset: Int64
        /// SHA-256 in hexadecimal of the chunk's bytes; the last chunk may be short.
        public var digest: String
    }

    /// Of the disk's file, in bytes.
    public var size: Int64
    /// Rising; what is not here is zeros.
    public var chunks: [Chunk]

    /// The blob.
    var bytes: [UInt8] {
        var text = "\(Self.heading)\nsize \(size)\nchunk \(Self.chunkSize)\n"
        text.reserveCapacity(chunks.count * 80 + 100)
        for chunk in chunks { text += "\(chunk.offset) \(chunk.digest)\n" }
        return Array(text.utf8)
    }

    init(size: Int64, chunks: [Chunk]) {
        self.size = size
        self.chunks = chunks
    }

    /// - Throws: `badRecord`.
    init(parsing bytes: [UInt8]) throws {
        let bad = VMImageError(.badRecord, "the index of a disk is damaged")
        var lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }[...]
        guard lines.popFirst() == Self.heading, let size = lines.popFirst(), size.hasPrefix("size "),
            let size = Int64(size.dropFirst(5)), size >= 0, let chunk = lines.popFirst(), chunk.hasPrefix("chunk ")
        else { throw bad }
        guard chunk == "chunk \(Self.chunkSize)" else {
            throw VMImageError(
                .badRecord,
                "the index of a disk has runs of \(chunk.dropFirst(6)) bytes, as another version of this program wrote them: "
                    + "remove the image (cri-shim image rm), then import it, or pull it when this version has pushed it"
            )
        }
        var last: Int64 = -1
        self.size = size
        chunks = try lines.map { line in
            let parts = line.split(separator: " ")
            guard parts.count == 2, let offset = Int64(parts[0]), offset > last, offset < size,
                offset % Int64(Self.chunkSize) == 0, parts[1].utf8.count == 64
            else { throw bad }
            last = offset
            return Chunk(offset: offset, digest: String(parts[1]))
        }
    }
}
