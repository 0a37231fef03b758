import Registry

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension PullRun {
    /// Puts everything in place and names it. Blocks.
    ///
    /// - Parameters:
    ///   - disks: those that were brought.
    ///   - reference: nil leaves the image the names it has.
    ///   - foreign: the manifest, as the registry has it.
    ///   - isWhole: false for an image whose disks are yet to come; what is staged stays for them.
    func finish(
        _ recipe: PullRecipe, _ plans: [DiskPlan], _ disks: [StagedDisk], _ reference: ImageReference?, _ id: String,
        _ foreign: [UInt8], isWhole: Bool = true
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
            if plan.isHere || !isWhole, case .packs(let packs) = plan.recipe.content {
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
            if !plan.isHere, isWhole { moves.append((staging.disk(plan.number), layout.disk(descriptor.digest))) }
            configs.append(
                .init(
                    digest: descriptor.digest, format: plan.recipe.format, size: index.size,
                    capacity: plan.recipe.capacity ?? index.size))
        }
        let config = try recipe.config(brought, configs)
        let local = Manifest(config: try add(try JSONText.bytes(config), VMImageConfig.mediaType), layers: layers)
        let contents = try add(try JSONText.bytes(local), Manifest.mediaType).digest
        _ = try add(foreign, MediaType.manifest)
        let coming = isWhole ? [] : Set(plans.filter { !$0.isHere }.compactMap(\.digest))
        let needed = Set(local.digests.map(layout.blob) + local.disks.filter { !coming.contains($0) }.map(layout.disk))
        // What it will take, as far as that can be known.
        for plan in plans where !isWhole && !plan.isHere {
            if case .packs(let index) = plan.recipe.content {
                size += index.frames.reduce(0) { $0 + Int64(index.rawLength($1)) }
            }
        }
        for place in needed {
            let path = moves.first { $0.to == place }?.from ?? place
            size += try OpenFile.reading(path).facts().allocated
        }
        let packs = recipe.made.filter { $0.mediaType == PackIndex.mediaType }.map(\.digest)
        var entry = StoreIndex.Entry(
            id: id, contents: contents, packs: packs.isEmpty ? nil : packs, names: [], size: size,
            importedAt: ImageStore.now())
        entry.bootOrder = recipe.made.first { $0.mediaType == BootOrder.mediaType }?.digest
        if !isWhole { entry.fetching = true }
        let image = try store.add(entry, named: reference, moves: moves, needed: needed)
        if isWhole { try staging.remove() }
        return image
    }
}
