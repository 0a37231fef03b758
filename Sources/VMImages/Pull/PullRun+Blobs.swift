import NIOCore
import Registry

extension PullRun {
    /// How much is given to a thread at once.
    private static let pieceSize = 1 << 20

    /// Brings a whole blob to its target. A transfer that breaks goes on where it was; damaged content is fetched anew.
    ///
    /// - Parameters:
    ///   - size, digest: of what the blob becomes; a nil digest stands for one that nobody knows.
    ///   - fresh: makes the target, and makes it anew after damage. Blocks.
    ///   - take: told when everything is right. Blocks.
    func bring(
        _ blob: Descriptor, _ codec: PullRecipe.Codec, size: Int64, digest: String?,
        fresh: @escaping @Sendable () throws -> any BlobTarget,
        take: @escaping @Sendable (any BlobTarget, _ digest: String) throws -> Void
    ) async throws {
        for _ in 0..<Self.damageLimit - 1 where try await attempt(blob, codec, size, digest, fresh, take) == nil {
            return
        }
        if let what = try await attempt(blob, codec, size, digest, fresh, take) { throw damaged(blob, what) }
    }

    /// - Returns: nil when all is well, else what was damaged.
    private func attempt(
        _ blob: Descriptor, _ codec: PullRecipe.Codec, _ size: Int64, _ digest: String?,
        _ fresh: @escaping @Sendable () throws -> any BlobTarget,
        _ take: @escaping @Sendable (any BlobTarget, String) throws -> Void
    ) async throws -> String? {
        let feed = try await workers.run { BlobFeed(codec, try fresh()) }
        var last: Int64 = 0
        do {
            try await retrying(
                blob,
                advanced: {
                    defer { last = feed.position }
                    return feed.position > last
                }
            ) {
                if feed.position < blob.size { try await self.feed(feed, blob) }
            }
            return try await workers.run { () throws -> String? in
                let made = try feed.finish()
                guard "sha256:" + made.blob == blob.digest else { return "it has the digest sha256:\(made.blob)" }
                // What came is what the manifest means, so nothing better will come.
                guard feed.target.written == size, digest == nil || "sha256:" + made.content == digest else {
                    throw VMImageFormat.unusable(
                        "its blob \(blob.digest) becomes \(feed.target.written) bytes of the digest "
                            + "sha256:\(made.content), and the manifest says \(size) of \(digest ?? "any")")
                }
                try take(feed.target, made.content)
                return nil
            }
        } catch let error as CodecError {
            meter.count(-feed.position)
            return error.description
        }
    }

    /// Takes what comes of a blob, from where it is, to the threads: one piece is worked on while the next one comes.
    private func feed(_ feed: BlobFeed, _ blob: Descriptor) async throws {
        let start = feed.position
        let stream = try await source.blob(blob, range: start == 0 ? nil : start..<blob.size)
        guard stream.range.lowerBound <= start, stream.range.upperBound == blob.size else {
            throw RegistryError(
                .wrongContent, "bytes \(stream.range) came of the blob \(blob.digest), which has \(blob.size)")
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            var pieces: [ByteBuffer] = []
            var (size, skip) = (0, start - stream.range.lowerBound)
            func hand() async throws {
                guard !pieces.isEmpty else { return }
                try await group.next()
                group.addTask { [pieces] in try await self.workers.run { try feed.take(pieces) } }
                (pieces, size) = ([], 0)
            }
            var failure: (any Error)?
            do {
                for try await var buffer in stream {
                    meter.count(Int64(buffer.readableBytes))
                    let dropped = min(skip, Int64(buffer.readableBytes))
                    buffer.moveReaderIndex(forwardBy: Int(dropped))
                    skip -= dropped
                    guard buffer.readableBytes > 0 else { continue }
                    size += buffer.readableBytes
                    pieces.append(buffer)
                    if size >= Self.pieceSize { try await hand() }
                }
            } catch {
                failure = error
            }
            if !(failure is CodecError) { try await hand() }
            try await group.waitForAll()
            if let failure { throw failure }
        }
    }

    // MARK: What blobs become

    /// Brings a file of the image.
    func fetch(_ file: PullRecipe.File) async throws {
        let path = staging.blob(file.blob.digest)
        try await bring(
            file.blob, file.codec, size: file.size, digest: file.digest,
            fresh: { try BlobFile(path, limit: file.size) },
            take: { _, _ in try self.staging.journal.add([.file(digest: StoreLayout.hex(file.blob.digest))]) })
    }

    /// Brings one layer of a disk.
    func fetch(_ layer: PullRecipe.Layer, number: Int, to disk: StagedDisk) async throws {
        try await bring(
            layer.blob, layer.codec, size: layer.size, digest: layer.digest,
            fresh: {
                // What an earlier try has written need not have been right.
                try disk.file.punch(layer.start..<layer.start + layer.size)
                return LayerWriter(disk, start: layer.start, limit: layer.size)
            },
            take: { target, _ in
                guard let writer = target as? LayerWriter else { return }
                for (offset, digest) in writer.runs { disk.set(digest, at: offset) }
                let entries = writer.runs.map {
                    PullJournal.Entry.frame(disk: disk.number, offset: $0.key, digest: $0.value)
                }
                try self.staging.journal.add(entries + [.layer(disk: disk.number, number: number)])
            })
    }
}
