import FoundationEssentials
import HostFiles
import Logging
import NIOConcurrencyHelpers
public import Registry

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Brings images of virtual machines from registries to a store. Whatever the registry's format is, what lies in the store
/// is raw disks with their indexes.
public struct ImagePuller: Sendable {
    public let store: ImageStore

    public init(store: ImageStore) { self.store = store }

    /// Pulls an image and gives it its name; an image that had the name loses it. What an earlier try has brought and verified
    /// is not fetched again, and neither is what other images of this host have.
    ///
    /// One that is here already gets the name, and nothing is fetched. While another task or process pulls the same image this
    /// one waits for it.
    ///
    /// - Parameters:
    ///   - reference: the name the image gets.
    ///   - manifest: as the registry has it, byte for byte. Its digest is the image's id.
    ///   - progress: told some times a second.
    /// - Throws: `invalidArgument` for what is no usable image of a machine, `noSpace`, `corrupt`, `failed`, ``RegistryError``,
    ///   `CancellationError`. What has come stays for the next try.
    public func pull(
        _ reference: ImageReference, manifest: [UInt8], from source: any BlobSource,
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) async throws -> VMImage {
        let id = "sha256:" + SHA256.hex(of: manifest)
        if let digest = reference.digest, digest != id {
            throw VMImageError(
                .corrupt, "cannot pull \(reference.familiar): the registry's manifest has the digest \(id)")
        }
        let decoded: OCIManifest = try VMImageFormat.decode(manifest, "its manifest")
        guard let format = VMImageFormat(decoded) else {
            throw VMImageError(
                .invalidArgument,
                "cannot pull \(reference.familiar) as an image of a virtual machine: it is none (its config is "
                    + "\(decoded.config.mediaType))")
        }
        let workers = Workers()
        do {
            let image = try await pull(reference, id, manifest, decoded, format, source, workers, progress)
            try await workers.stop()
            return image
        } catch {
            try await workers.stop()
            throw error
        }
    }

    private func pull(
        _ reference: ImageReference, _ id: String, _ bytes: [UInt8], _ manifest: OCIManifest, _ format: VMImageFormat,
        _ source: any BlobSource, _ workers: Workers, _ progress: @escaping @Sendable (PullProgress) -> Void
    ) async throws -> VMImage {
        let store = store
        while true {
            if let image = try await workers.run({ try store.rename(id, to: reference) }) { return image }
            let staging = try await workers.run { try PullStaging.open(store.layout, manifest: id) }
            if let staging {
                // Who was at it may have ended between the two looks.
                let there = try await workers.run { () throws -> VMImage? in
                    guard let image = try store.rename(id, to: reference) else { return nil }
                    try staging.remove()
                    return image
                }
                if let there { return there }
                let run = PullRun(
                    store: store, source: source, staging: staging, workers: workers, meter: PullMeter(),
                    name: reference.familiar)
                return try await run.pull(reference, id, bytes, manifest, format, progress)
            }
            // Another one is at it. There is no wait for a file's lock that could be cancelled.
            try await Task.sleep(for: .milliseconds(200))
        }
    }
}

extension PullRun {
    /// So often what has come is brought to disk.
    private static let syncInterval = Duration.seconds(5)

    fileprivate func pull(
        _ reference: ImageReference, _ id: String, _ bytes: [UInt8], _ manifest: OCIManifest, _ format: VMImageFormat,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) async throws -> VMImage {
        let recipe = try await format.recipe(manifest) { try await self.small($0, limit: $1) }
        let plans = try await workers.run { self.plan(recipe) }
        let files = missing(recipe.files)
        try await workers.run { try self.requireSpace(plans, files) }
        meter.expect(files.reduce(0) { $0 + $1.blob.size })
        let disks = try await withThrowingTaskGroup(of: [StagedDisk]?.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: .milliseconds(250))
                    progress(self.meter.read())
                }
            }
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.syncInterval)
                    try await self.workers.run { try self.sync() }
                }
            }
            group.addTask {
                try await self.run(files.map { file in { try await self.fetch(file) } })
                var disks: [StagedDisk] = []
                for plan in plans where !plan.isHere { disks.append(try await self.fetch(plan)) }
                return disks
            }
            defer { group.cancelAll() }
            while let result = try await group.next() { if let result { return result } }
            return []
        }
        let image = try await workers.run { try self.finish(recipe, plans, disks, reference, id, bytes) }
        progress(meter.read())
        store.logger.info("image pulled", metadata: ["image": "\(name)", "id": "\(id)"])
        return image
    }

    private func sync() throws { try staging.journal.sync(local.withLockedValue { $0 }.map(\.file)) }

    /// Puts everything in place and names it. Blocks.
    private func finish(
        _ recipe: PullRecipe, _ plans: [DiskPlan], _ disks: [StagedDisk], _ reference: ImageReference, _ id: String,
        _ foreign: [UInt8]
    ) throws -> VMImage {
        try sync()
        let layout = store.layout
        var layers: [Manifest.Descriptor] = []
        var moves: [(from: String, to: String)] = []
        var size: Int64 = 0

        func add(_ bytes: [UInt8], _ mediaType: String) throws -> Manifest.Descriptor {
            let digest = "sha256:" + SHA256.hex(of: bytes)
            let path = "\(staging.directory)/made-\(StoreLayout.hex(digest))"
            try FilePlaces.remove(path)
            let file = try OpenFile.creating(path)
            try bytes.withUnsafeBytes { try file.write($0, at: 0) }
            try file.sync()
            moves.append((path, layout.blob(digest)))
            return .init(mediaType: mediaType, digest: digest, size: Int64(bytes.count))
        }

        var brought: [String: String] = [:]
        for file in recipe.files {
            brought[file.blob.digest] = file.digest
            if FilePlaces.exists(staging.blob(file.blob.digest)) {
                moves.append((staging.blob(file.blob.digest), layout.blob(file.digest)))
            }
            layers.append(.init(mediaType: file.mediaType, digest: file.digest, size: file.size))
        }
        for made in recipe.made { layers.append(try add(made.bytes, made.mediaType)) }
        var configs: [VMImageConfig.Disk] = []
        for plan in plans {
            let index: DiskIndex
            if plan.isHere, case .packs(let packs) = plan.recipe.content {
                index = packs.disk
            } else {
                guard let disk = disks.first(where: { $0.number == plan.number }) else { continue }
                index = try disk.index(reading: plan.recipe.shared)
                try disk.file.sync()
            }
            let descriptor = try add(index.bytes, Manifest.Layer.disk)
            guard plan.digest == nil || plan.digest == descriptor.digest else {
                throw VMImageError(
                    .failed, "the disk \(plan.number) of \(name) is not what its index says: pull it again")
            }
            layers.append(descriptor)
            if !plan.isHere { moves.append((staging.disk(plan.number), layout.disk(descriptor.digest))) }
            configs.append(
                .init(
                    digest: descriptor.digest, format: plan.recipe.format, size: index.size,
                    capacity: plan.recipe.capacity ?? index.size))
        }
        let config = try recipe.config(brought, configs)
        let local = Manifest(config: try add(try JSONText.bytes(config), VMImageConfig.mediaType), layers: layers)
        let contents = try add(try JSONText.bytes(local), Manifest.mediaType).digest
        _ = try add(foreign, MediaType.manifest)
        let needed = Set(local.digests.map(layout.blob) + local.disks.map(layout.disk))
        for place in needed {
            let path = moves.first { $0.to == place }?.from ?? place
            size += Int64(try OpenFile.reading(path).facts().st_blocks) * 512
        }
        let packs = recipe.made.filter { $0.mediaType == PackIndex.mediaType }.map(\.digest)
        let entry = StoreIndex.Entry(
            id: id, contents: contents, packs: packs.isEmpty ? nil : packs, names: [], size: size,
            importedAt: ImageStore.now())
        return try store.add(entry, named: reference, moves: moves, needed: needed, staging)
    }
}

extension ImageStore {
    /// Gives an image that is here one more name.
    /// - Returns: nil when it is not here.
    func rename(_ id: String, to reference: ImageReference) throws -> VMImage? {
        guard try StoreIndex.read(layout.index).entry(id: id) != nil else { return nil }
        return try change { index in
            index.name(id, Self.pulledName(reference))
            guard let entry = index.entry(id: id) else { return nil }
            return try image(entry)
        }
    }

    /// Puts what was pulled in place. A crash on the way leaves the staging directory as it was.
    func add(
        _ entry: StoreIndex.Entry, named reference: ImageReference, moves: [(from: String, to: String)],
        needed: Set<String>, _ staging: PullStaging
    ) throws -> VMImage {
        let image = try change { index -> VMImage? in
            for move in moves where !FilePlaces.exists(move.to) { try FilePlaces.link(move.from, to: move.to) }
            try FilePlaces.sync(directory: layout.blobs)
            try FilePlaces.sync(directory: layout.disks)
            if let missing = needed.first(where: { !FilePlaces.exists($0) }) {
                throw VMImageError(.failed, "\(missing) was removed while it was used: pull the image again")
            }
            if index.entry(id: entry.id) == nil { index.images.append(entry) }
            index.name(entry.id, Self.pulledName(reference))
            return try index.entry(id: entry.id).map(self.image)
        }
        guard let image else { throw VMImageError(.failed, "the image \(entry.id) was pulled and is not in the index") }
        try staging.remove()
        return image
    }

    /// With a digest the tag says nothing: it may have moved on.
    private static func pulledName(_ reference: ImageReference) -> String {
        reference.digest.map { "\(reference.canonicalName)@\($0)" } ?? reference.canonical
    }
}
