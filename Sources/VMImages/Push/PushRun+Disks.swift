import NIOConcurrencyHelpers
import Registry

extension PushRun {
    /// Packs wait on disk until they are sent; no more than so many.
    private static let waitingPacks = 2

    /// A run of a disk that is in no pack yet.
    struct Work: Sendable {
        var chunk: DiskIndex.Chunk
        /// What was there in the base, in a pack and on this host.
        var root: BasePacks.Place?
        var local: LocalFrames.Place?
    }

    /// Packs what a disk has that the base has not, and sends the packs.
    /// - Returns: the index of the whole disk.
    func send(_ disk: DiskIndex, at path: String, base: BasePacks) async throws -> PackIndex {
        let own = disk.chunks.filter { base.frames[$0.digest] == nil }
        // The last run of a disk that has grown was shorter.
        let roots = base.size == disk.size ? base.roots : [:]
        let (file, local) = try await workers.run {
            let roots = Set(own.compactMap { roots[$0.offset]?.digest })
            return (try OpenFile.reading(path), try LocalFrames(self.store, needed: roots))
        }
        let work = own.map { chunk -> Work in
            let root = roots[chunk.offset]
            return Work(chunk: chunk, root: root, local: root.flatMap { local.places[$0.digest] })
        }
        var builder = PackIndexBuilder(size: disk.size)
        for chunk in disk.chunks {
            if let frame = base.frames[chunk.digest] { builder.add(chunk.offset, frame) }
        }
        for (offset, frame) in try await pack(work, of: file, size: disk.size) { builder.add(offset, frame) }
        return builder.finish()
    }

    /// Compresses runs of a disk on all threads, writes them to packs in order, and sends those.
    private func pack(
        _ work: [Work], of file: OpenFile, size: Int64
    ) async throws -> [(offset: Int64, frame: BasePacks.Frame)] {
        let packing = Packing(self, work)
        return try await withThrowingTaskGroup(of: Void.self) { sending in
            var waiting = 0
            try await withThrowingTaskGroup(of: Void.self) { compressing in
                var (begun, written) = (0, 0)
                while written < work.count {
                    while begun < work.count, begun - written < 2 * workers.threads {
                        let number = begun
                        let slot = try await slots.acquire()
                        compressing.addTask {
                            let (count, isDelta) = try await self.workers.run { tools in
                                try Self.compress(work[number], of: file, size: size, tools, slot.bytes)
                            }
                            packing.put(number, .init(slot: slot, count: count, isDelta: isDelta))
                        }
                        begun += 1
                    }
                    try await compressing.next()
                    while let ready = packing.take(written) {
                        defer { slots.release(ready.slot) }
                        let number = written
                        if let full = try await workers.run({ try packing.write(number, ready) }) {
                            if waiting == Self.waitingPacks {
                                try await sending.next()
                                waiting -= 1
                            }
                            waiting += 1
                            sending.addTask { try await self.send(full.pack, full.file) }
                        }
                        written += 1
                    }
                }
            }
            if let last = try await workers.run({ packing.close() }) {
                sending.addTask { try await self.send(last.pack, last.file) }
            }
            try await sending.waitForAll()
            return packing.finish()
        }
    }

    /// Reads a run, makes sure that it is what it is said to be, and compresses it: by itself, or as what differs from the
    /// former one. Blocks.
    private static func compress(
        _ work: Work, of file: OpenFile, size: Int64, _ tools: Workers.Tools, _ target: UnsafeMutableRawBufferPointer
    ) throws -> (count: Int, isDelta: Bool) {
        let length = Int(min(Int64(DiskIndex.chunkSize), size - work.chunk.offset))
        let raw = UnsafeMutableRawBufferPointer(rebasing: tools.raw[..<length])
        let count = try file.read(raw, at: work.chunk.offset)
        tools.hash.update(UnsafeRawBufferPointer(rebasing: raw[..<count]))
        guard tools.hash.finish() == work.chunk.digest else {
            throw VMImageError(
                .badRecord,
                "\(file.path) is damaged at byte \(work.chunk.offset): mend the image (cri-shim image verify), or remove it"
            )
        }
        if let local = work.local, let root = work.root {
            let base = try local.read(length, into: tools.base, root.digest, tools.hash)
            let count = try tools.encoder.encode(UnsafeRawBufferPointer(raw), into: target, base: base)
            // Who pulls it may have to fetch the former one as well: that is worth a lot only.
            if count < length / 2 { return (count, true) }
        }
        return (try tools.encoder.encode(UnsafeRawBufferPointer(raw), into: target), false)
    }

    /// Sends a pack that the registry does not have, and forgets it.
    private func send(_ pack: PackIndex.Pack, _ file: OpenFile) async throws {
        let (workers, meter) = (workers, meter)
        let blob = Descriptor(mediaType: PackIndex.packMediaType, digest: pack.digest, size: pack.size)
        try await send(blob) { FileBytes.body(file, size: pack.size, workers) { meter.count($0) } }
        try await workers.run { try FilePlaces.remove(file.path) }
    }
}

/// Packs under way: frames that were compressed before their turn, and the pack that is being written.
private final class Packing: Sendable {
    struct Ready: Sendable {
        var slot: SlotPool.Slot
        var count: Int
        /// Whether it builds on what the base has there.
        var isDelta: Bool
    }

    typealias Full = (pack: PackIndex.Pack, file: OpenFile)

    private struct State {
        var ready: [Int: Ready] = [:]
        var writer: PackWriter?
        /// Those of the pack that is being written, whose digest is not known yet.
        var open: [(work: Int, start: Int64, length: Int, isDelta: Bool)] = []
        var frames: [(offset: Int64, frame: BasePacks.Frame)] = []
        var made = 0
    }

    private let state = NIOLockedValueBox(State())
    private let work: [PushRun.Work]
    private let directory: String
    private let limit: Int64

    init(_ run: PushRun, _ work: [PushRun.Work]) {
        self.work = work
        directory = run.directory
        limit = run.packLimit
    }

    func put(_ number: Int, _ ready: Ready) { state.withLockedValue { $0.ready[number] = ready } }
    func take(_ number: Int) -> Ready? { state.withLockedValue { $0.ready.removeValue(forKey: number) } }
    func finish() -> [(offset: Int64, frame: BasePacks.Frame)] { state.withLockedValue { $0.frames } }

    /// Adds a frame to the pack. Blocks; one thread at a time calls it.
    /// - Returns: the pack before it, when that is full.
    func write(_ number: Int, _ ready: Ready) throws -> Full? {
        var full: Full?
        if let writer = state.withLockedValue({ $0.writer }), writer.size + Int64(ready.count) > limit {
            full = close()
        }
        let writer: PackWriter
        if let open = state.withLockedValue({ $0.writer }) {
            writer = open
        } else {
            let count = state.withLockedValue { state in
                state.made += 1
                return state.made
            }
            writer = try PackWriter("\(directory)/pack-\(count)-\(StoreLayout.randomName())")
        }
        let start = try writer.add(UnsafeRawBufferPointer(rebasing: ready.slot.bytes[..<ready.count]))
        state.withLockedValue { state in
            state.writer = writer
            state.open.append((number, start, ready.count, ready.isDelta))
        }
        return full
    }

    /// Ends the pack.
    func close() -> Full? {
        guard let writer = state.withLockedValue({ $0.writer }) else { return nil }
        let pack = writer.finish()
        state.withLockedValue { state in
            for one in state.open {
                let work = work[one.work]
                let place = BasePacks.Place(
                    digest: work.chunk.digest, pack: pack, start: one.start, length: one.length)
                state.frames.append((work.chunk.offset, .init(place: place, root: one.isDelta ? work.root : nil)))
            }
            (state.writer, state.open) = (nil, [])
        }
        return (pack, writer.file)
    }
}
