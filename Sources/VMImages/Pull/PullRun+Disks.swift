import HostFiles
import NIOConcurrencyHelpers
import Registry

extension PullRun {
    /// A disk to be brought, and what of it is here.
    struct DiskPlan: Sendable {
        var number: Int
        var recipe: PullRecipe.Disk
        /// The digest of its index, where that is known before it is here.
        var digest: String?
        /// In the store already, as a disk of another image.
        var isHere = false
        /// What an earlier try brought.
        var known: [Int64: String] = [:]
        var layers: Set<Int> = []
        var frames: [PackIndex.Frame] = []
    }

    /// Finds out what is missing. Blocks.
    func plan(_ recipe: PullRecipe) -> [DiskPlan] {
        recipe.disks.enumerated().map { number, disk in
            var plan = DiskPlan(number: number, recipe: disk)
            plan.known = PullStaging.frames(of: number, in: staging.entries)
            for case .layer(number, let layer) in staging.entries { plan.layers.insert(layer) }
            guard case .packs(let index) = disk.content else { return plan }
            let digest = "sha256:" + SHA256.hex(of: index.disk.bytes)
            plan.digest = digest
            plan.isHere = FilePlaces.exists(store.layout.disk(digest)) && FilePlaces.exists(store.layout.blob(digest))
            plan.frames = plan.isHere ? [] : index.frames.filter { plan.known[$0.offset] != $0.digest }
            meter.reuse(
                index.frames.reduce(0) { $0 + Int64(index.rawLength($1)) }
                    - plan.frames.reduce(0) { $0 + Int64(index.rawLength($1)) })
            return plan
        }
    }

    /// What has to be fetched of files.
    func missing(_ files: [PullRecipe.File]) -> [PullRecipe.File] {
        let done = Set(
            staging.entries.compactMap { entry -> String? in
                if case .file(let digest) = entry { "sha256:" + digest } else { nil }
            })
        var seen = done
        return files.filter { seen.insert($0.blob.digest).inserted && !isStored($0) }
    }

    /// Whether the store has a file already: one that is a blob as it is.
    private func isStored(_ file: PullRecipe.File) -> Bool {
        FilePlaces.exists(store.layout.blob(file.digest))
    }

    /// Takes what other images of this host have. Blocks.
    /// - Returns: the frames that have to be fetched, and what is here.
    func takeLocal(
        _ plan: DiskPlan, _ index: PackIndex, to disk: StagedDisk
    ) throws -> (missing: [PackIndex.Frame], local: LocalFrames) {
        let local = try LocalFrames(
            store, needed: Set(plan.frames.map(\.digest)).union(plan.frames.compactMap(\.base?.digest)))
        var missing: [PackIndex.Frame] = []
        for frame in plan.frames {
            try Task.checkCancellation()
            guard let place = local.places[frame.digest] else {
                missing.append(frame)
                continue
            }
            let length = index.rawLength(frame)
            try local.copy(place, length: length, to: disk, at: frame.offset, digest: frame.digest)
            try staging.journal.add([.frame(disk: disk.number, offset: frame.offset, digest: frame.digest)])
            meter.reuse(Int64(length))
        }
        return (missing, local)
    }

    /// Brings frames to a disk of the store.
    func mend(_ frames: [PackIndex.Frame], of index: PackIndex, _ disk: StagedDisk) async throws {
        let local = try await workers.run {
            try LocalFrames(self.store, needed: Set(frames.compactMap(\.base?.digest)))
        }
        meter.expect(frames.reduce(0) { $0 + Int64($1.length) })
        var target = FrameTarget(index: index, disk: disk)
        target.bases = try await FrameBases(run: self, index: index, number: disk.number, local: local).places(
            of: frames)
        try await fetch(frames, to: target)
    }

    /// Files of what disks build on have the numbers from here on.
    static let baseNumber = 1 << 20

    /// Finds out before, not after an hour, that there is no room: for the image, and for what a machine writes to its clone.
    func requireSpace(_ plans: [DiskPlan], _ files: [PullRecipe.File]) throws {
        var bytes = files.reduce(0) { $0 + $1.size }
        for plan in plans where !plan.isHere {
            switch plan.recipe.content {
            case .packs(let index): bytes += plan.frames.reduce(0) { $0 + Int64(index.rawLength($1)) }
            case .layers(let layers):
                // How much of it is zeros nobody knows: it is not less than this.
                for (number, layer) in layers.enumerated() where !plan.layers.contains(number) {
                    bytes += min(layer.size, layer.blob.size)
                }
            }
        }
        let clone = min(1 << 30, bytes / 8)
        let free = try store.freeSpace(store.layout.directory)
        guard bytes + clone + ImportWork.reserve > free else { return }
        throw VMImageError(
            .noSpace,
            "cannot pull \(name): it takes \(ImportWork.mebibytes(bytes)) MiB, and "
                + "\(ImportWork.mebibytes(clone + ImportWork.reserve)) MiB are wanted for a machine's own data, and the file "
                + "system of \(store.layout.directory) has \(ImportWork.mebibytes(free)) MiB: make room (cri-shim image "
                + "prune, cri-shim image rm), or put the root directory elsewhere")
    }

    /// Brings a disk.
    func fetch(_ plan: DiskPlan) async throws -> StagedDisk {
        let disk = try await workers.run {
            try StagedDisk(
                number: plan.number, path: self.staging.disk(plan.number), size: plan.recipe.size, known: plan.known)
        }
        local.withLockedValue { $0.append(disk) }
        switch plan.recipe.content {
        case .packs(let index):
            let (missing, local) = try await workers.run { try self.takeLocal(plan, index, to: disk) }
            meter.expect(missing.reduce(0) { $0 + Int64($1.length) })
            if let exchange, let digest = plan.digest {
                try await fetch(missing, of: index, disk, digest, local, with: exchange)
                return disk
            }
            var target = FrameTarget(index: index, disk: disk)
            target.bases = try await FrameBases(run: self, index: index, number: disk.number, local: local)
                .places(of: missing)
            try await fetch(missing, to: target)
        case .layers(let layers):
            let missing = layers.enumerated().filter { !plan.layers.contains($0.offset) }
            meter.expect(missing.reduce(0) { $0 + $1.element.blob.size })
            try await run(
                missing.map { number, layer in { try await self.fetch(layer, number: number, to: disk) } })
        }
        return disk
    }
}

extension PullRecipe.Disk {
    /// The runs of 1 MiB that several layers share.
    var shared: Set<Int64> {
        guard case .layers(let layers) = content else { return [] }
        let run = Int64(DiskIndex.chunkSize)
        var shared: Set<Int64> = []
        for layer in layers {
            for edge in [layer.start, layer.start + layer.size] where edge % run != 0 && edge != size {
                shared.insert(edge / run * run)
            }
        }
        return shared
    }
}
