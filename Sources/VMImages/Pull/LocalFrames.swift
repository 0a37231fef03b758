import Logging
import Registry

/// Where runs of 1 MiB that an image needs are on this host already: in the disks of other images, whose files stay open, so
/// that nobody can take them away meanwhile. Everything blocks.
struct LocalFrames: Sendable {
    struct Place: Sendable {
        var file: OpenFile
        var offset: Int64

        /// What is there, verified: others are made from it.
        func read(
            _ length: Int, into buffer: UnsafeMutableRawBufferPointer, _ digest: String, _ hash: SHA256
        ) throws -> UnsafeRawBufferPointer {
            let room = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
            let count = try file.read(room, at: offset)
            hash.update(UnsafeRawBufferPointer(rebasing: room[..<count]))
            guard hash.finish() == digest else {
                throw VMImageError(
                    .badRecord,
                    "\(file.path) is damaged at byte \(offset): find out which image it is of, and mend it (cri-shim image "
                        + "verify)")
            }
            return UnsafeRawBufferPointer(room)
        }
    }

    private(set) var places: [String: Place] = [:]

    /// - Parameter needed: digests in hexadecimal.
    init(_ store: ImageStore, needed: Set<String>) throws {
        guard !needed.isEmpty else { return }
        var seen: Set<String> = []
        for entry in try StoreIndex.read(store.layout.index).images {
            do {
                for disk in try store.contents(entry).config.disks where seen.insert(disk.digest).inserted {
                    try add(store, disk.digest, needed)
                }
            } catch let error as VMImageError where [.notFound, .badRecord, .newerRecord].contains(error.code) {
                // Removed meanwhile, or damaged: then nothing is taken from it.
                store.logger.debug(
                    "nothing is taken from an image", metadata: ["image": "\(entry.id)", "why": "\(error)"])
            }
        }
    }

    private mutating func add(_ store: ImageStore, _ disk: String, _ needed: Set<String>) throws {
        guard let bytes = try FilePlaces.contents(of: store.layout.blob(disk), limit: PackIndex.sizeLimit) else {
            return
        }
        let index = try DiskIndex(parsing: bytes)
        var file: OpenFile?
        for chunk in index.chunks where needed.contains(chunk.digest) && places[chunk.digest] == nil {
            let source = try file ?? OpenFile.reading(store.layout.disk(disk))
            file = source
            places[chunk.digest] = Place(file: source, offset: chunk.offset)
        }
    }

    /// Brings one run to a disk that is being put together.
    func copy(_ place: Place, length: Int, to disk: StagedDisk, at offset: Int64, digest: String) throws {
        let end = place.offset + Int64(length)
        var next = try place.file.data(from: place.offset, size: end)
        while let data = next {
            let target = offset + data.lowerBound - place.offset
            if try !disk.file.take(data, of: place.file, at: target) {
                try copy(data, of: place.file, to: disk.file, target)
            }
            next = try place.file.data(from: data.upperBound, size: end)
        }
        disk.set(digest, at: offset)
    }

    private func copy(_ range: Range<Int64>, of source: OpenFile, to file: OpenFile, _ target: Int64) throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset = range.lowerBound
        while offset < range.upperBound {
            let part = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(Int64(buffer.count), range.upperBound - offset))])
            guard try source.read(part, at: offset) == part.count else {
                throw VMImageError(.failed, "\(source.path) is shorter than its index says: remove that image")
            }
            try SparseBytes.write(UnsafeRawBufferPointer(part), to: file, at: target + offset - range.lowerBound)
            offset += Int64(part.count)
        }
    }
}
