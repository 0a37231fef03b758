import HostFiles
public import Registry

/// What of an image is not what it ought to be.
public struct ImageDamage: Sendable, Hashable {
    /// A run of a disk, up to 1 MiB.
    public struct Run: Sendable, Hashable {
        /// Which of the image's disks.
        public var disk: Int
        public var range: Range<Int64>
        /// `sha256:…` of what ought to be there; nil for zeros.
        public var digest: String?
    }

    public var runs: [Run] = []
    /// Digests of blobs that are gone or changed: kernels, configs, variables.
    public var blobs: [String] = []

    public var isNone: Bool { runs.isEmpty && blobs.isEmpty }
}

/// Reads images again, and mends them.
public struct ImageVerifier: Sendable {
    public let store: ImageStore

    public init(store: ImageStore) { self.store = store }

    /// Reads everything that an image has. Blocks, for as long as that takes.
    ///
    /// - Parameters:
    ///   - reference: a name or an id.
    ///   - progress: told now and then; what it throws ends the work.
    /// - Throws: `notFound`; `badRecord` when the index of a disk is damaged, so that nobody knows what it ought to hold.
    public func verify(
        _ reference: String, progress: @escaping (ImportProgress) throws -> Void = { _ in }
    ) throws -> ImageDamage {
        let lease = try store.leaseWhole(reference)
        defer { lease.release() }
        guard let entry = try StoreIndex.read(store.layout.index).entry(id: lease.image.id) else {
            throw ImageStore.absent(reference)
        }
        let contents = try store.contents(entry)
        var damage = ImageDamage()
        for digest in Set(contents.manifest.digests).sorted() where try !isWhole(digest) { damage.blobs.append(digest) }
        let paths = contents.config.disks.map { store.layout.disk($0.digest) }
        var state = ImportProgress(done: 0, total: try paths.reduce(0) { $0 + (try Self.allocated($1)) })
        for (number, disk) in contents.config.disks.enumerated() {
            let right = try index(disk.digest)
            let file = try OpenFile.reading(paths[number])
            let found = try DiskCopy { count in
                state.done += count
                state.total = max(state.total, state.done)
                try progress(state)
            }.read(file, writingTo: nil)
            guard found.size == right.size else {
                throw VMImageError(
                    .badRecord,
                    "\(file.path) has \(found.size) bytes instead of \(right.size): remove the image \(reference), and get it "
                        + "again")
            }
            damage.runs += Self.differences(found, right, number)
        }
        return damage
    }

    /// Fetches what is damaged of a disk, and nothing else. Machines whose disks share blocks with it keep what they have.
    ///
    /// - Parameter source: the repository that the image was pulled from or pushed to.
    /// - Returns: how many runs were mended.
    /// - Throws: `invalidArgument` for an image that no registry has in this program's own format; as
    ///   ``ImagePuller/pull(_:manifest:from:progress:)``.
    public func mend(
        _ reference: String, _ damage: ImageDamage, from source: any BlobSource,
        progress: @escaping @Sendable (PullProgress) -> Void = { _ in }
    ) async throws -> Int {
        let workers = Workers()
        do {
            let count = try await mend(reference, damage, source, workers, progress)
            try await workers.stop()
            return count
        } catch {
            try await workers.stop()
            throw error
        }
    }

    private func mend(
        _ reference: String, _ damage: ImageDamage, _ source: any BlobSource, _ workers: Workers,
        _ progress: @escaping @Sendable (PullProgress) -> Void
    ) async throws -> Int {
        let store = store
        let (lease, entry) = try await workers.run { () -> (ImageLease, StoreIndex.Entry) in
            guard let lease = try store.lease(reference),
                let entry = try StoreIndex.read(store.layout.index).entry(id: lease.image.id)
            else { throw ImageStore.absent(reference) }
            return (lease, entry)
        }
        defer { lease.release() }
        guard damage.blobs.isEmpty, let packs = entry.packs else {
            throw VMImageError(
                .invalidArgument,
                "\(reference) cannot be mended bit by bit (only disks that a registry has in this program's own format can): "
                    + "remove it (cri-shim image rm), and pull or import it again")
        }
        guard let staging = try await workers.run({ try PullStaging.open(store.layout, manifest: entry.id) }) else {
            throw VMImageError(.failed, "\(reference) is being pulled or mended already: wait for that")
        }
        let run = PullRun(
            store: store, source: source, staging: staging, workers: workers, meter: PullMeter(), name: reference)
        let disks = lease.image.config.disks
        for (number, runs) in Dictionary(grouping: damage.runs, by: \.disk).sorted(by: { $0.key < $1.key }) {
            let index = try await workers.run { try store.packIndex(packs[number]) }
            let disk = try await workers.run { () -> StagedDisk in
                let disk = try StagedDisk(
                    number: number, path: store.layout.disk(disks[number].digest), size: index.size, known: [:])
                // Writing leaves holes where zeros are: what is there goes first.
                for run in runs { try disk.file.punch(run.range) }
                return disk
            }
            let wanted = Set(runs.filter { $0.digest != nil }.map(\.range.lowerBound))
            try await run.mend(index.frames.filter { wanted.contains($0.offset) }, of: index, disk)
            try await workers.run { try disk.file.sync() }
        }
        progress(run.meter.read())
        try await workers.run { try StoreLock.with(store.layout.lock) { try staging.remove() } }
        return damage.runs.count
    }

    // MARK: Steps

    private func isWhole(_ digest: String) throws -> Bool {
        let path = store.layout.blob(digest)
        guard FilePlaces.exists(path) else { return false }
        let file = try OpenFile.reading(path)
        let hash = SHA256()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        defer { buffer.deallocate() }
        var offset: Int64 = 0
        while true {
            let count = try file.read(buffer, at: offset)
            if count == 0 { return "sha256:" + hash.finish() == digest }
            hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            offset += Int64(count)
        }
    }

    private func index(_ digest: String) throws -> DiskIndex {
        guard let bytes = try FilePlaces.contents(of: store.layout.blob(digest), limit: PackIndex.sizeLimit),
            "sha256:" + SHA256.hex(of: bytes) == digest
        else {
            throw VMImageError(
                .badRecord,
                "the index of the disk \(digest) is gone or damaged, so that nobody knows what it ought to hold: remove the "
                    + "image, and get it again")
        }
        return try DiskIndex(parsing: bytes)
    }

    private static func differences(_ found: DiskIndex, _ right: DiskIndex, _ disk: Int) -> [ImageDamage.Run] {
        let have = Dictionary(uniqueKeysWithValues: found.chunks.map { ($0.offset, $0.digest) })
        let want = Dictionary(uniqueKeysWithValues: right.chunks.map { ($0.offset, $0.digest) })
        return Set(have.keys).union(want.keys).sorted().filter { have[$0] != want[$0] }.map { offset in
            .init(
                disk: disk, range: offset..<min(offset + Int64(DiskIndex.chunkSize), right.size),
                digest: want[offset].map { "sha256:" + $0 })
        }
    }

    private static func allocated(_ path: String) throws -> Int64 { try OpenFile.reading(path).facts().allocated }
}
