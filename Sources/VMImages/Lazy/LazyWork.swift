import HostFiles
import Logging
import NBD
import NIOConcurrencyHelpers
import Registry
import Synchronization

/// The fetching of an image that machines run from.
final class LazyWork: Sendable {
    let run: PullRun
    let exports: [any NBDExport]
    private let id: String
    private let fetch: LazyFetch
    private let manifest: [UInt8]
    private let recipe: PullRecipe
    private let plans: [PullRun.DiskPlan]
    /// None any more once the image is whole: their files would keep the room of what is removed.
    private let sources: NIOLockedValueBox<[DiskSource]>
    private let knowsOrder: Bool
    private let timing: LazyFetch.Timing

    /// Where the frames of one disk come from, and go.
    struct DiskSource: Sendable {
        var number: Int
        var index: PackIndex
        var disk: StagedDisk
        var local: LocalFrames
        /// What frames build on, by digest: where it is, or will be.
        var bases: [String: LocalFrames.Place] = [:]
        /// What has to be fetched for that,
        var baseFrames: [String: PackIndex.Frame] = [:]
        /// and goes here.
        var baseDisk: StagedDisk?
    }

    init(_ run: PullRun, _ entry: StoreIndex.Entry, timing: LazyFetch.Timing) async throws {
        self.run = run
        self.timing = timing
        id = entry.id
        let store = run.store
        let bytes = try await run.workers.run {
            try FilePlaces.contents(of: store.layout.blob(entry.id), limit: 8 << 20)
        }
        guard let bytes else {
            throw VMImageError(
                .badRecord, "the manifest of the image \(entry.id) is gone: remove it, and pull it again")
        }
        manifest = bytes
        let decoded: OCIManifest = try VMImageFormat.decode(bytes, "its manifest")
        guard let format = VMImageFormat(decoded) else { throw VMImageFormat.unusable("it is none") }
        recipe = try await format.recipe(decoded) { try await run.kept($0, limit: $1) }
        plans = try await run.workers.run { [recipe] in run.plan(recipe) }
        let order = try await run.workers.run {
            try entry.bootOrder.flatMap {
                try FilePlaces.contents(of: store.layout.blob($0), limit: BootOrder.sizeLimit)
            }
        }
        knowsOrder = order != nil
        var items: [FetchQueue.Item] = []
        var here: Set<Int> = []
        var numbers: [[Int64: Int]] = []
        for plan in plans {
            var runs: [Int64: Int] = [:]
            if case .packs(let index) = plan.recipe.content {
                let missing = Set(plan.frames.map(\.offset))
                for frame in index.frames {
                    runs[frame.offset] = items.count
                    if !missing.contains(frame.offset) { here.insert(items.count) }
                    items.append(.init(disk: plan.number, frame: frame))
                }
            }
            numbers.append(runs)
        }
        let first = order.map { BootOrder(parsing: $0).runs } ?? []
        let queue = FetchQueue(
            items, here: here,
            order: first.compactMap { numbers.indices.contains($0.disk) ? numbers[$0.disk][$0.offset] : nil })
        fetch = LazyFetch(queue, name: run.name, timing: timing, logger: store.logger)
        let missing = try await run.workers.run { [plans] in try plans.compactMap { try Self.source($0, run) } }
        sources = NIOLockedValueBox(missing)
        run.local.withLockedValue { $0 += missing.flatMap { [$0.disk] + ($0.baseDisk.map { [$0] } ?? []) } }
        var disks: [any NBDExport] = []
        for (plan, runs) in zip(plans, numbers) {
            if let source = missing.first(where: { $0.number == plan.number }) {
                disks.append(
                    LazyDisk(
                        number: plan.number, file: source.disk.file, length: source.disk.size, runs: runs,
                        fetch: fetch))
            } else if case .packs(let index) = plan.recipe.content, let digest = plan.digest {
                let file = try await run.workers.run { try OpenFile.reading(store.layout.disk(digest)) }
                disks.append(LazyDisk.whole(plan.number, file, index.disk))
            }
        }
        exports = disks
    }

    /// Blocks.
    private static func source(_ plan: PullRun.DiskPlan, _ run: PullRun) throws -> DiskSource? {
        guard case .packs(let index) = plan.recipe.content, !plan.isHere else { return nil }
        let disk = try StagedDisk(
            number: plan.number, path: run.staging.disk(plan.number), size: plan.recipe.size, known: plan.known)
        let local = try LocalFrames(
            run.store, needed: Set(plan.frames.map(\.digest)).union(plan.frames.compactMap(\.base?.digest)))
        var source = DiskSource(number: plan.number, index: index, disk: disk, local: local)
        for frame in plan.frames {
            guard let base = frame.base, source.bases[base.digest] == nil else { continue }
            if let place = local.places[base.digest] {
                source.bases[base.digest] = place
                continue
            }
            let number = PullRun.baseNumber + plan.number
            let file =
                try source.baseDisk
                ?? StagedDisk(
                    number: number, path: run.staging.disk(number), size: index.size,
                    known: PullStaging.frames(of: number, in: run.staging.entries))
            source.baseDisk = file
            source.bases[base.digest] = .init(file: file.file, offset: frame.offset)
            source.baseFrames[base.digest] = .init(
                offset: frame.offset, digest: base.digest, pack: base.pack, start: base.start, length: base.length)
        }
        return source
    }

    // MARK: Running

    func run() async throws {
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                var failures = Failures()
                while true {
                    try await Task.sleep(for: self.timing.sync)
                    try await self.sync(&failures)
                }
            }
            group.addTask {
                try await self.fetch.quiet()
                self.fetch.takeRest()
                return false
            }
            group.addTask {
                try await self.fetch.run { try await self.bring($0) }
                return true
            }
            defer { group.cancelAll() }
            while let isWhole = try await group.next(), !isWhole {}
        }
        try await finish()
        sources.withLockedValue { $0 = [] }
        run.local.withLockedValue { $0 = [] }
        run.store.logger.info("image is whole", metadata: ["image": "\(run.name)", "id": "\(id)"])
    }

    /// Brings what has come to disk, and says how things stand. Guests read on whatever becomes of that.
    /// - Throws: `notFound` when the image was removed; `CancellationError`.
    private func sync(_ failures: inout Failures) async throws {
        do {
            try await run.workers.run {
                try self.requireImage()
                try self.run.staging.note(self.fetch.trouble)
                try self.run.sync()
            }
            failures.end()
        } catch {
            try pass(error, &failures)
        }
    }

    /// Puts in place what has come; tries on while that fails, for guests read from it all the same.
    private func finish() async throws {
        var failures = Failures()
        while true {
            do {
                return try await run.workers.run {
                    // What is staged may have been all that was left to take away: a collection does that.
                    if try StoreIndex.read(self.run.store.layout.index).entry(id: self.id)?.isWhole == true { return }
                    _ = try self.run.finish(
                        self.recipe, self.plans, self.sources.withLockedValue { $0.map(\.disk) }, nil, self.id,
                        self.manifest)
                }
            } catch {
                try pass(error, &failures)
                try await Task.sleep(for: timing.sync)
            }
        }
    }

    /// Lets the rest go on after a failure that is not the end of the image.
    private func pass(_ error: any Error, _ failures: inout Failures) throws {
        if error is CancellationError || (error as? VMImageError)?.code == .notFound { throw error }
        guard failures.isWorthSaying() else { return }
        run.store.logger.error(
            "what has come of an image is not brought to disk; it is tried again",
            metadata: ["image": "\(run.name)", "error": "\(error)"])
    }

    private func requireImage() throws {
        guard try StoreIndex.read(run.store.layout.index).entry(id: id) == nil else { return }
        throw ImageStore.absent(id)
    }

    func guestStarted() async throws {
        run.store.logger.info(
            "a guest of the image has started",
            metadata: ["image": "\(run.name)", "fetched": "\(run.meter.done)", "read": "\(fetch.served)"])
        let runs = fetch.endRecord().map { BootOrder.Run(disk: $0.disk, offset: $0.frame.offset) }
        guard !runs.isEmpty, !knowsOrder else { return }
        do {
            // The threads of the pull may have ended by now.
            try await ImageStore.offload { try self.run.store.keep(BootOrder(runs: runs), of: self.id) }
        } catch {
            // It is only a hint for those who come later.
            run.store.logger.warning(
                "what a guest reads first is not remembered", metadata: ["image": "\(run.name)", "error": "\(error)"])
        }
    }

    // MARK: Frames

    private func bring(_ job: FetchQueue.Job) async throws {
        let items = job.numbers.filter { !fetch.isHere($0) }.map { (number: $0, item: fetch.item($0)) }
        let sources = sources.withLockedValue { $0 }
        guard let first = items.first, let source = sources.first(where: { $0.number == first.item.disk }) else {
            return
        }
        var missing: [PackIndex.Frame] = []
        for (number, item) in items {
            let frame = item.frame
            if let place = source.local.places[frame.digest], try await take(frame, from: place, source) {
                fetch.done(number)
            } else {
                missing.append(frame)
                if let base = frame.base { try await bringBase(base.digest, source) }
            }
        }
        guard !missing.isEmpty else { return }
        let numbers = Dictionary(items.map { ($0.item.frame.offset, $0.number) }) { first, _ in first }
        var target = PullRun.FrameTarget(index: source.index, disk: source.disk, bases: source.bases)
        target.onFrame = { [fetch] frame in if let number = numbers[frame.offset] { fetch.done(number) } }
        try await bring(missing, to: target)
    }

    /// Takes a run that another image has.
    /// - Returns: false when it is damaged there, or cannot be read: then it has to be fetched.
    private func take(
        _ frame: PackIndex.Frame, from place: LocalFrames.Place, _ source: DiskSource
    ) async throws -> Bool {
        try await run.workers.run { (tools: Workers.Tools) throws -> Bool in
            let length = source.index.rawLength(frame)
            do {
                _ = try place.read(length, into: tools.raw, frame.digest, tools.hash)
            } catch let error as VMImageError {
                self.run.store.logger.warning(
                    "nothing is taken from a disk of another image", metadata: ["why": "\(error)"])
                return false
            }
            try source.local.copy(place, length: length, to: source.disk, at: frame.offset, digest: frame.digest)
            try self.run.staging.journal.add([
                .frame(disk: source.number, offset: frame.offset, digest: frame.digest)
            ])
            self.run.meter.reuse(Int64(length))
            return true
        }
    }

    /// What a frame builds on.
    private func bringBase(_ digest: String, _ source: DiskSource) async throws {
        guard let frame = source.baseFrames[digest], let disk = source.baseDisk,
            disk.digests[frame.offset] != digest
        else { return }
        try await bring([frame], to: .init(index: source.index, disk: disk))
    }

    private func bring(_ frames: [PackIndex.Frame], to target: PullRun.FrameTarget) async throws {
        for (number, frames) in Dictionary(grouping: frames, by: \.pack) {
            let pack = target.index.packs[number]
            run.meter.expect(frames.reduce(0) { $0 + Int64($1.length) })
            try await run.fetch(
                .init(
                    blob: Descriptor(mediaType: PackIndex.packMediaType, digest: pack.digest, size: pack.size),
                    frames: frames.sorted { $0.start < $1.start }),
                to: target)
        }
    }
}

extension ImageStore {
    /// Remembers what a guest of an image reads first. Blocks.
    fileprivate func keep(_ order: BootOrder, of id: String) throws {
        let bytes = order.bytes
        let digest = "sha256:" + SHA256.hex(of: bytes)
        try change { index in
            guard let number = index.images.firstIndex(where: { $0.id == id }) else { return }
            let place = layout.blob(digest)
            if !FilePlaces.exists(place) { try AtomicFile.write(bytes, to: place, mode: 0o600) }
            index.images[number].bootOrder = digest
        }
    }
}
