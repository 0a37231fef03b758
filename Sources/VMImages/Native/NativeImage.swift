import Registry

/// This program's own images in a registry: what ``VMImageConfig`` names as blobs, and for each disk an index of its packs and
/// the packs.
enum NativeImage {
    /// No more layers than registries and their proxies take.
    static let layerLimit = 300

    static func recipe(
        _ manifest: OCIManifest, fetch: (Descriptor, Int) async throws -> [UInt8]
    ) async throws -> PullRecipe {
        let config: VMImageConfig = try VMImageFormat.decode(
            try await fetch(manifest.config, VMImageFormat.configLimit), "its config")
        guard config.schema <= VMImageConfig.schema else {
            throw VMImageError(
                .newerRecord,
                "this image was made for a newer version of this program (layout \(config.schema)): install that one")
        }
        let indexes = manifest.layers.filter { $0.mediaType == PackIndex.mediaType }
        guard indexes.count == config.disks.count else {
            throw VMImageFormat.unusable("it has \(config.disks.count) disks and the indexes of \(indexes.count)")
        }
        let packs = Dictionary(
            manifest.layers.filter { $0.mediaType == PackIndex.packMediaType }.map { ($0.digest, $0.size) }
        ) { first, _ in first }
        var recipe = PullRecipe { _, _ in config }
        let layers = Dictionary(manifest.layers.map { ($0.digest, $0) }) { first, _ in first }
        for (digest, mediaType) in config.boot.blobs {
            guard let blob = layers[digest] else { throw VMImageFormat.unusable("it has no blob \(digest)") }
            recipe.files.append(.init(blob, mediaType: mediaType))
        }
        for (disk, descriptor) in zip(config.disks, indexes) {
            let bytes = try await fetch(descriptor, PackIndex.sizeLimit)
            let index = try PackIndex(parsing: bytes)
            for pack in index.packs where packs[pack.digest] != pack.size {
                throw VMImageFormat.unusable("a disk needs the pack \(pack.digest), which is not in the manifest")
            }
            guard "sha256:" + SHA256.hex(of: index.disk.bytes) == disk.digest, index.size == disk.size else {
                throw VMImageFormat.unusable("the index \(descriptor.digest) is not that of the disk \(disk.digest)")
            }
            recipe.made.append(.init(bytes: bytes, mediaType: PackIndex.mediaType))
            recipe.disks.append(
                .init(size: index.size, content: .packs(index), format: disk.format, capacity: disk.capacity))
        }
        // Only a hint: an image is as good without it.
        if let blob = manifest.layers.first(where: { $0.mediaType == BootOrder.mediaType }),
            blob.size <= BootOrder.sizeLimit
        {
            recipe.made.append(.init(bytes: try await fetch(blob, BootOrder.sizeLimit), mediaType: blob.mediaType))
        }
        return recipe
    }
}

extension VMImageConfig.Boot {
    /// The blobs it names, and what they are.
    var blobs: [(digest: String, mediaType: String)] {
        switch self {
        case .kernel(let digest, let initrd, _):
            [(digest, Manifest.Layer.kernel)] + (initrd.map { [($0, Manifest.Layer.initrd)] } ?? [])
        case .efi(let variables): variables.map { [($0, Manifest.Layer.variables)] } ?? []
        case .mac(let model, let storage):
            [(model, Manifest.Layer.hardwareModel), (storage, Manifest.Layer.variables)]
        }
    }
}
