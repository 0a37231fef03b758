import HostFiles
import Logging
public import Registry

/// Puts images of virtual machines into registries, in this program's own format.
public struct ImagePusher: Sendable {
    public let store: ImageStore
    private let packLimit: Int64

    public init(store: ImageStore) { self.init(store: store, packLimit: PackIndex.packLimit) }

    init(store: ImageStore, packLimit: Int64) {
        self.store = store
        self.packLimit = packLimit
    }

    /// Sends an image: what the registry does not have of it. The same image makes the same blobs each time. An image that was
    /// committed on top of another one refers to that one's packs, where the registry has them.
    ///
    /// - Parameters:
    ///   - image: a name or an id.
    ///   - tag: in the repository of `sink`; nil for none.
    ///   - progress: told some times a second. The total grows as packs are made.
    /// - Returns: the digest of the manifest; `NAME@DIGEST` means the image here as well from now on.
    /// - Throws: `notFound`, `noSpace`, `badRecord` for an image that is damaged here, ``RegistryError``.
    public func push(
        _ image: String, to sink: any BlobSink, tag: String?,
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) async throws -> String {
        let workers = Workers()
        do {
            let digest = try await push(image, sink, tag, workers, progress)
            try await workers.stop()
            return digest
        } catch {
            try await workers.stop()
            throw error
        }
    }

    private func push(
        _ reference: String, _ sink: any BlobSink, _ tag: String?, _ workers: Workers,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) async throws -> String {
        let store = store
        let source = try await workers.run { try PushSource(store, reference) }
        // Held until everything is sent.
        let lease = source.lease
        defer { lease.release() }
        let place = try await workers.run { try TransferPlace(store.layout) }
        defer { withExtendedLifetime(place) {} }
        let run = PushRun(
            store: store, sink: sink, workers: workers, meter: PullMeter(), name: reference, directory: place.directory,
            packLimit: packLimit)
        let digest = try await withThrowingTaskGroup(of: String?.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: .milliseconds(250))
                    progress(run.meter.read())
                }
            }
            group.addTask { try await run.push(source, tag) }
            defer { group.cancelAll() }
            while let result = try await group.next() { if let result { return result } }
            return ""
        }
        progress(run.meter.read())
        store.logger.info("image pushed", metadata: ["image": "\(reference)", "digest": "\(digest)"])
        return digest
    }
}

/// What is to be pushed.
private struct PushSource: Sendable {
    var lease: ImageLease
    var config: VMImageConfig
    /// Blobs that are sent as they are.
    var files: [Manifest.Descriptor]
    var disks: [(index: DiskIndex, path: String, base: BasePacks)]
    /// Repositories of this or another registry that may have the packs of the base.
    var bases: [String]
    var baseDigest: String?
    /// What a guest of it reads first, where that is known.
    var bootOrder: [UInt8]?

    /// Blocks.
    init(_ store: ImageStore, _ reference: String) throws {
        let lease = try store.leaseWhole(reference)
        self.lease = lease
        let index = try StoreIndex.read(store.layout.index)
        guard let entry = index.entry(id: lease.image.id) else { throw ImageStore.absent(reference) }
        let contents = try store.contents(entry)
        config = contents.config
        // Where a key is on this host is nobody else's business.
        config.login?.keyFile = nil
        let sent: Set = [
            Manifest.Layer.kernel, Manifest.Layer.initrd, Manifest.Layer.variables, Manifest.Layer.hardwareModel,
        ]
        files = contents.manifest.layers.filter { sent.contains($0.mediaType) }
        bootOrder = try entry.bootOrder.flatMap {
            try FilePlaces.contents(of: store.layout.blob($0), limit: BootOrder.sizeLimit)
        }
        let base = contents.manifest.base.flatMap { index.entry(published: $0) }
        let packs = try (base?.packs ?? []).map { try store.packIndex($0) }
        baseDigest = packs.isEmpty ? nil : base.map { $0.published?.first ?? $0.id }
        bases = Set((base?.names ?? []).compactMap { try? ImageReference(parsing: $0).repository }).sorted()
        disks = try contents.config.disks.enumerated().map { number, disk in
            guard let bytes = try FilePlaces.contents(of: store.layout.blob(disk.digest), limit: PackIndex.sizeLimit)
            else {
                throw VMImageError(
                    .badRecord, "the index of the disk \(disk.digest) is gone: remove the image \(reference)")
            }
            return (
                try DiskIndex(parsing: bytes), store.layout.disk(disk.digest),
                BasePacks(packs.indices.contains(number) ? packs[number] : nil)
            )
        }
    }
}

extension PushRun {
    fileprivate func push(_ source: PushSource, _ tag: String?) async throws -> String {
        var layers: [Descriptor] = []
        for file in source.files { layers.append(try await send(file)) }
        let isBased = try await hasBase(source)
        var indexes: [Descriptor] = []
        for disk in source.disks {
            let index = try await send(disk.index, at: disk.path, base: isBased ? disk.base : BasePacks())
            let descriptor = try await send(index.bytes, mediaType: PackIndex.mediaType)
            let packs = index.packs.map {
                Descriptor(mediaType: PackIndex.packMediaType, digest: $0.digest, size: $0.size)
            }
            layers += [descriptor] + packs.filter { !layers.contains($0) }
            indexes.append(descriptor)
            let bytes = index.bytes
            try await workers.run { try self.store.keep(bytes) }
        }
        guard layers.count <= NativeImage.layerLimit else {
            throw VMImageError(
                .failed,
                "cannot push \(name): it has \(layers.count) layers, and registries take \(NativeImage.layerLimit); give it "
                    + "fewer disks, or import its disk anew instead of committing on top of others")
        }
        if let order = source.bootOrder { layers.append(try await send(order, mediaType: BootOrder.mediaType)) }
        let config = try await send(try JSONText.bytes(source.config), mediaType: VMImageConfig.mediaType)
        let manifest = OCIManifest(
            artifactType: VMImageConfig.mediaType, config: config, layers: layers,
            annotations: (isBased ? source.baseDigest : nil).map { [Manifest.baseKey: $0] })
        let bytes = try JSONText.bytes(manifest)
        let digest = try await sink.putManifest(bytes, mediaType: MediaType.manifest, tag: tag)
        let id = source.lease.image.id
        let packs = indexes.map(\.digest)
        try await workers.run { try self.store.published(id, as: digest, packs: packs) }
        return digest
    }

    /// Whether the registry has the packs of the base, or takes them over from its repository.
    private func hasBase(_ source: PushSource) async throws -> Bool {
        let packs = source.disks.reduce(into: Set<PackIndex.Pack>()) { $0.formUnion($1.base.packs) }
        for pack in packs.sorted(by: { $0.digest < $1.digest }) {
            if try await sink.exists(pack.digest) { continue }
            var isMounted = false
            for repository in source.bases where !isMounted {
                isMounted = try await sink.mount(pack.digest, from: repository)
            }
            guard isMounted else { return false }
        }
        return !packs.isEmpty
    }
}

extension ImageStore {
    func packIndex(_ digest: String) throws -> PackIndex {
        guard let bytes = try FilePlaces.contents(of: layout.blob(digest), limit: PackIndex.sizeLimit),
            "sha256:" + SHA256.hex(of: bytes) == digest
        else { throw VMImageError(.badRecord, "the blob \(digest) in \(layout.blobs) is gone or damaged") }
        return try PackIndex(parsing: bytes)
    }

    /// Puts a blob in place; the next change of the index says what it belongs to.
    fileprivate func keep(_ bytes: [UInt8]) throws {
        let place = layout.blob("sha256:" + SHA256.hex(of: bytes))
        if !FilePlaces.exists(place) { try AtomicFile.write(bytes, to: place, mode: 0o600) }
    }

    /// Remembers under which digest a registry has an image, and the indexes of its packs.
    fileprivate func published(_ id: String, as digest: String, packs: [String]) throws {
        try change { index in
            guard let number = index.images.firstIndex(where: { $0.id == id }) else { return }
            // A collection in between may have taken an index that nothing named yet: then it is not remembered.
            let kept = packs.allSatisfy { FilePlaces.exists(layout.blob($0)) }
            index.images[number].packs = kept ? packs : nil
            var published = index.images[number].published ?? []
            if digest != id, !published.contains(digest) { published.append(digest) }
            index.images[number].published = published.isEmpty ? nil : published
        }
    }
}
