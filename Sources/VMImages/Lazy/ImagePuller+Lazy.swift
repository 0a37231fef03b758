import HostFiles
import Logging
public import Registry

extension ImagePuller {
    /// Puts an image in place whose disks are yet to come: from here on it is listed, and machines can be made of it that
    /// run from what a ``LazyImage`` serves. What an earlier pull brought counts.
    ///
    /// - Parameters:
    ///   - source: where its parts come from now,
    ///   - origin: and, for another process, later.
    /// - Returns: the image; nil when it has to be pulled as a whole, which is logged: another format, a registry that
    ///   serves no ranges, or somebody who pulls it as a whole just now.
    /// - Throws: as ``pull(_:manifest:from:progress:)`` does.
    public func begin(
        _ reference: ImageReference, manifest: [UInt8], from source: any BlobSource, origin: LazySource
    ) async throws -> VMImage? {
        let id = "sha256:" + SHA256.hex(of: manifest)
        let decoded: OCIManifest = try VMImageFormat.decode(manifest, "its manifest")
        guard let format = VMImageFormat(decoded), case .native = format else {
            return refuse(reference, "its format has no frames that can be fetched one by one")
        }
        let store = store
        let workers = Workers()
        do {
            let image = try await workers.run { () throws -> VMImage? in
                guard let image = try store.rename(id, to: reference, whole: false) else { return nil }
                guard !image.isWhole else { return image }
                do {
                    try origin.write(to: LazySource.path(store.layout, id))
                    return image
                } catch {
                    // It may have become whole just now.
                    guard let now = try store.resolve(id), now.isWhole else { throw error }
                    return now
                }
            }
            if let image {
                try await workers.stop()
                return image
            }
            let staging = try await workers.run { try PullStaging.open(store.layout, manifest: id) }
            guard let staging else {
                try await workers.stop()
                return refuse(reference, "it is being pulled already")
            }
            let run = PullRun(
                store: store, source: source, staging: staging, workers: workers, meter: PullMeter(),
                name: reference.familiar)
            let begun = try await run.begin(reference, id, manifest, decoded, format, origin)
            try await workers.stop()
            return begun ?? refuse(reference, "its registry serves no parts of blobs, or there is nothing to fetch")
        } catch {
            try await workers.stop()
            throw error
        }
    }

    private func refuse(_ reference: ImageReference, _ why: String) -> VMImage? {
        store.logger.info(
            "an image is pulled as a whole before it is used",
            metadata: ["image": "\(reference.familiar)", "why": "\(why)"])
        return nil
    }
}

extension PullRun {
    fileprivate func begin(
        _ reference: ImageReference, _ id: String, _ bytes: [UInt8], _ manifest: OCIManifest, _ format: VMImageFormat,
        _ origin: LazySource
    ) async throws -> VMImage? {
        let recipe = try await format.recipe(manifest) { try await self.kept($0, limit: $1) }
        let plans = try await workers.run { self.plan(recipe) }
        guard try await servesRanges(plans) else { return nil }
        let files = missing(recipe.files)
        try await workers.run { try self.requireSpace(plans, files) }
        try await run(files.map { file in { try await self.fetch(file) } })
        return try await workers.run {
            try origin.write(to: LazySource.path(self.store.layout, id))
            return try self.finish(recipe, plans, [], reference, id, bytes, isWhole: false)
        }
    }

    /// A small blob: what was kept of an earlier time, else fetched and kept, so that who goes on needs no network to begin.
    func kept(_ blob: Descriptor, limit: Int) async throws -> [UInt8] {
        let path = staging.blob(blob.digest)
        let here = try await workers.run { () throws -> [UInt8]? in
            for place in [path, self.store.layout.blob(blob.digest)] {
                if let bytes = try FilePlaces.contents(of: place, limit: limit),
                    "sha256:" + SHA256.hex(of: bytes) == blob.digest
                {
                    return bytes
                }
            }
            return nil
        }
        if let here { return here }
        let bytes = try await small(blob, limit: limit)
        try await workers.run { try AtomicFile.write(bytes, to: path, mode: 0o600) }
        return bytes
    }

    /// Whether frames can be had one by one; false as well when none is missing.
    private func servesRanges(_ plans: [DiskPlan]) async throws -> Bool {
        for plan in plans {
            guard case .packs(let index) = plan.recipe.content, let frame = plan.frames.first else { continue }
            let pack = index.packs[frame.pack]
            let blob = Descriptor(mediaType: PackIndex.packMediaType, digest: pack.digest, size: pack.size)
            let range = frame.start..<frame.end
            return try await retrying(blob) { try await self.source.blob(blob, range: range).range == range }
        }
        return false
    }
}
