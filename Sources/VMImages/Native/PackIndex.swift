import Registry

/// Where the content of a disk is in a registry: each run of 1 MiB that is not all zeros is a frame of zstd by itself, and
/// frames lie after each other in packs, which are the blobs. A blob itself, of the media type ``mediaType``.
///
/// ```
/// vzcri pack index 1
/// size 137438953472                            of the disk, in bytes
/// frame 1048576                                what a frame holds
/// pack HEX SIZE                                one line for each pack, numbered from 0
/// OFFSET HEX PACK START LENGTH                 one line for each frame: its place and digest in the disk, and its place
///                                              in a pack
/// OFFSET HEX PACK START LENGTH HEX PACK START LENGTH
///                                              the same for a frame that says only how it differs from another one, which
///                                              differs from none: that one's digest, and its place
/// ```
struct PackIndex: Sendable, Hashable {
    static let mediaType = "application/vnd.vzcri.vm.disk.packs.v1+text"
    static let packMediaType = "application/vnd.vzcri.vm.disk.pack.v1"
    /// A pack has no more bytes than this.
    static let packLimit: Int64 = 512 << 20
    /// An index is no larger: enough for 1 TiB of data.
    static let sizeLimit = 128 << 20
    private static let heading = "vzcri pack index 1"

    struct Pack: Sendable, Hashable {
        /// `sha256:…`
        var digest: String
        var size: Int64
    }

    struct Frame: Sendable, Hashable {
        /// In the disk.
        var offset: Int64
        /// SHA-256 in hexadecimal of what it holds.
        var digest: String
        /// Which of the packs,
        var pack: Int
        /// and where in it.
        var start: Int64
        var length: Int

        /// The frame on which this one builds.
        var base: Base?

        var end: Int64 { start + Int64(length) }
    }

    /// A frame of a former state of a disk, from the same place.
    struct Base: Sendable, Hashable {
        var digest: String
        var pack: Int
        var start: Int64
        var length: Int
    }

    /// Of the disk's file, in bytes.
    var size: Int64
    var packs: [Pack]
    /// In the order of the disk; what is not here is zeros.
    var frames: [Frame]

    init(size: Int64, packs: [Pack], frames: [Frame]) {
        self.size = size
        self.packs = packs
        self.frames = frames
    }

    /// How many bytes a frame holds: the last one of a disk may be short.
    func rawLength(_ frame: Frame) -> Int { Int(min(Int64(DiskIndex.chunkSize), size - frame.offset)) }

    /// A pack as the registry has it.
    func blob(_ pack: Int) -> Descriptor {
        Descriptor(mediaType: Self.packMediaType, digest: packs[pack].digest, size: packs[pack].size)
    }

    /// What the disk holds, wherever it is.
    var disk: DiskIndex { DiskIndex(size: size, chunks: frames.map { .init(offset: $0.offset, digest: $0.digest) }) }

    var bytes: [UInt8] {
        var text = "\(Self.heading)\nsize \(size)\nframe \(DiskIndex.chunkSize)\n"
        text.reserveCapacity(frames.count * 110 + packs.count * 85 + 100)
        for pack in packs { text += "pack \(StoreLayout.hex(pack.digest)) \(pack.size)\n" }
        for frame in frames {
            text += "\(frame.offset) \(frame.digest) \(frame.pack) \(frame.start) \(frame.length)"
            if let base = frame.base { text += " \(base.digest) \(base.pack) \(base.start) \(base.length)" }
            text += "\n"
        }
        return Array(text.utf8)
    }

    /// - Throws: `badRecord` for whatever cannot be true.
    init(parsing bytes: [UInt8]) throws {
        func bad(_ what: String) -> VMImageError {
            VMImageError(
                .badRecord, "the index of a disk's packs makes no sense (\(what)): the image has to be pushed anew")
        }
        var lines = bytes.split(separator: UInt8(ascii: "\n"))[...]
        func word(_ key: String) -> Int64? {
            guard let line = lines.popFirst().map({ String(decoding: $0, as: UTF8.self) }), line.hasPrefix(key + " ")
            else { return nil }
            return Int64(line.dropFirst(key.count + 1))
        }
        guard lines.popFirst().map({ String(decoding: $0, as: UTF8.self) }) == Self.heading else {
            throw bad("it is of another kind")
        }
        guard let size = word("size"), size > 0, size <= 1 << 50 else { throw bad("the disk's size") }
        guard word("frame") == Int64(DiskIndex.chunkSize) else { throw bad("the size of its frames") }
        (self.size, packs, frames) = (size, [], [])
        while let line = lines.first, line.starts(with: Array("pack ".utf8)) {
            let parts = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 3, ImageReference.isDigest("sha256:" + parts[1]), let size = Int64(parts[2]),
                (1...Self.packLimit).contains(size)
            else { throw bad("pack \(packs.count)") }
            packs.append(Pack(digest: "sha256:" + parts[1], size: size))
            lines.removeFirst()
        }
        frames.reserveCapacity(lines.count)
        var last: Int64 = -1
        for line in lines {
            let parts = line.split(separator: UInt8(ascii: " ")).map { String(decoding: $0, as: UTF8.self) }
            guard parts.count == 5 || parts.count == 9, let offset = Int64(parts[0]), offset > last, offset < size,
                offset % Int64(DiskIndex.chunkSize) == 0, let found = place(parts[1...4]),
                let base: Base? = parts.count == 9 ? place(parts[5...8]).map(Optional.some) : .some(nil)
            else { throw bad("frame \(frames.count)") }
            last = offset
            frames.append(
                Frame(
                    offset: offset, digest: found.digest, pack: found.pack, start: found.start, length: found.length,
                    base: base))
        }
    }

    /// - Returns: nil for what is in none of the packs.
    private func place(_ words: ArraySlice<String>) -> Base? {
        let words = Array(words)
        guard ImageReference.isDigest("sha256:" + words[0]), let pack = Int(words[1]), packs.indices.contains(pack),
            let start = Int64(words[2]), start >= 0, let length = Int(words[3]),
            (1...FrameSize.compressedLimit).contains(length), start <= packs[pack].size - Int64(length)
        else { return nil }
        return Base(digest: words[0], pack: pack, start: start, length: length)
    }
}

/// How large a frame may be.
enum FrameSize {
    /// The most that a frame becomes when it cannot be compressed.
    static let compressedLimit = ZstdEncoder.bound(DiskIndex.chunkSize)
}
