import NIOConcurrencyHelpers
import NIOCore
import Registry

/// One push under way: what its steps share.
final class PushRun: Sendable {
    let store: ImageStore
    let sink: any BlobSink
    let workers: Workers
    let meter: PullMeter
    /// For messages.
    let name: String
    let directory: String
    /// How large a pack may be: ``PackIndex/packLimit``, smaller in tests.
    let packLimit: Int64
    private let slots: SlotPool
    /// Packs wait on disk until they are sent; no more than so many.
    private static let waitingPacks = 2

    init(
        store: ImageStore, sink: any BlobSink, workers: Workers, meter: PullMeter, name: String, directory: String,
        packLimit: Int64
    ) {
        self.store = store
        self.sink = sink
        self.workers = workers
        self.meter = meter
        self.name = name
        self.directory = directory
        self.packLimit = packLimit
        slots = SlotPool(limit: 3 * workers.threads, size: FrameSize.compressedLimit)
    }

    /// Sends a blob that the registry does not have.
    func send(_ blob: Descriptor, _ body: @Sendable () async throws -> BlobBody) async throws {
        meter.expect(blob.size)
        if try await sink.exists(blob.digest) {
            meter.count(blob.size)
        } else {
            try await sink.upload(blob, try await body())
        }
    }

    func send(_ bytes: [UInt8], mediaType: String) async throws -> Descriptor {
        let blob = Descriptor(
            mediaType: mediaType, digest: "sha256:" + SHA256.hex(of: bytes), size: Int64(bytes.count))
        let meter = meter
        try await send(blob) {
            meter.count(blob.size)
            return BlobBody(ByteBuffer(bytes: bytes))
        }
        return blob
    }

    /// Sends a file of the store.
    func send(_ file: Manifest.Descriptor) async throws -> Descriptor {
        let blob = Descriptor(mediaType: file.mediaType, digest: file.digest, size: file.size)
        let (path, workers, meter) = (store.layout.blob(file.digest), workers, meter)
        try await send(blob) {
            let open = try await workers.run { try OpenFile.reading(path) }
            return FileBytes.body(open, size: blob.size, workers) { meter.count($0) }
        }
        return blob
    }

    // MARK: Disks

    /// Packs what a disk has that the base has not, and sends the packs.
    /// - Returns: the index of the whole disk.
    func send(_ disk: DiskIndex, at path: String, base: BasePacks) async throws -> PackIndex {
        let file = try await workers.run { try OpenFile.reading(path) }
        var index = PackIndex(size: disk.size, packs: [], frames: [])
        var numbers: [String: Int] = [:]
        var own: [DiskIndex.Chunk] = []
        for chunk in disk.chunks {
            guard let (pack, frame) = base.frames[chunk.digest] else {
                own.append(chunk)
                continue
            }
            let number = numbers[pack.digest] ?? index.packs.count
            if number == index.packs.count { index.packs.append(pack) }
            numbers[pack.digest] = number
            index.frames.append(
                .init(offset: chunk.offset, digest: chunk.digest, pack: number, start: frame.start, length: frame.length))
        }
        try await pack(own, of: file, into: &index)
        index.frames.sort { $0.offset < $1.offset }
        return index
    }

    /// Compresses runs of a disk on all threads, and writes them in order.
    private func pack(_ chunks: [DiskIndex.Chunk], of file: OpenFile, into index: inout PackIndex) async throws {
        let size = index.size
        let made = PackedFrames()
        let packs = NIOLockedValueBox<[PackIndex.Pack]>([])
        let first = index.packs.count
        let frames = try await withThrowingTaskGroup(of: Void.self) { sending in
            var frames: [PackIndex.Frame] = []
            var writer: PackWriter?
            var waiting = 0

            func close() async throws {
                guard let full = writer.take() else { return }
                let pack = try await workers.run { full.finish() }
                packs.withLockedValue { $0.append(pack) }
                if waiting == Self.waitingPacks {
                    try await sending.next()
                    waiting -= 1
                }
                waiting += 1
                sending.addTask { try await self.send(pack, full.file) }
            }
            func add(_ chunk: DiskIndex.Chunk, _ slot: SlotPool.Slot, _ count: Int) async throws {
                defer { slots.release(slot) }
                if let writer, writer.size + Int64(count) > packLimit { try await close() }
                let number = first + packs.withLockedValue { $0.count }
                let path = "\(directory)/pack-\(number)-\(StoreLayout.randomName())"
                let target = try await workers.run { [writer] in try writer ?? PackWriter(path) }
                writer = target
                let start = try await workers.run {
                    try target.add(UnsafeRawBufferPointer(rebasing: slot.bytes[..<count]))
                }
                frames.append(
                    .init(offset: chunk.offset, digest: chunk.digest, pack: number, start: start, length: count))
            }

            try await withThrowingTaskGroup(of: Void.self) { compressing in
                var (begun, written) = (0, 0)
                while written < chunks.count {
                    while begun < chunks.count, begun - written < 2 * workers.threads {
                        let (number, chunk) = (begun, chunks[begun])
                        let slot = try await slots.acquire()
                        compressing.addTask {
                            let count = try await self.workers.run { tools in
                                try Self.compress(chunk, of: file, size: size, tools, slot.bytes)
                            }
                            made.put(number, slot, count)
                        }
                        begun += 1
                    }
                    while let (slot, count) = made.take(written) {
                        try await add(chunks[written], slot, count)
                        written += 1
                    }
                    if written < begun { try await compressing.next() }
                    while let (slot, count) = made.take(written) {
                        try await add(chunks[written], slot, count)
                        written += 1
                    }
                }
            }
            try await close()
            try await sending.waitForAll()
            return frames
        }
        index.packs += packs.withLockedValue { $0 }
        index.frames += frames
    }

    /// Reads a run, makes sure that it is what it is said to be, and compresses it. Blocks.
    private static func compress(
        _ chunk: DiskIndex.Chunk, of file: OpenFile, size: Int64, _ tools: Workers.Tools,
        _ target: UnsafeMutableRawBufferPointer
    ) throws -> Int {
        let raw = UnsafeMutableRawBufferPointer(
            rebasing: tools.raw[..<Int(min(Int64(DiskIndex.chunkSize), size - chunk.offset))])
        let count = try file.read(raw, at: chunk.offset)
        tools.hash.update(UnsafeRawBufferPointer(rebasing: raw[..<count]))
        guard tools.hash.finish() == chunk.digest else {
            throw VMImageError(
                .badRecord,
                "\(file.path) is damaged at byte \(chunk.offset): mend the image (cri-shim image verify), or remove it")
        }
        return try tools.encoder.encode(UnsafeRawBufferPointer(raw), into: target)
    }

    /// Sends a pack that the registry does not have, and forgets it.
    private func send(_ pack: PackIndex.Pack, _ file: OpenFile) async throws {
        let (workers, meter) = (workers, meter)
        let blob = Descriptor(mediaType: PackIndex.packMediaType, digest: pack.digest, size: pack.size)
        try await send(blob) { FileBytes.body(file, size: pack.size, workers) { meter.count($0) } }
        try await workers.run { try FilePlaces.remove(file.path) }
    }
}

/// Frames that were compressed before their turn.
private final class PackedFrames: Sendable {
    private let waiting = NIOLockedValueBox<[Int: (SlotPool.Slot, Int)]>([:])

    func put(_ number: Int, _ slot: SlotPool.Slot, _ count: Int) { waiting.withLockedValue { $0[number] = (slot, count) } }
    func take(_ number: Int) -> (SlotPool.Slot, Int)? { waiting.withLockedValue { $0.removeValue(forKey: number) } }
}

/// What is in the packs of the image that another one was made of.
struct BasePacks: Sendable {
    /// By what they hold.
    var frames: [String: (pack: PackIndex.Pack, frame: PackIndex.Frame)] = [:]

    init(_ index: PackIndex? = nil) {
        guard let index else { return }
        for frame in index.frames { frames[frame.digest] = (index.packs[frame.pack], frame) }
    }

    var packs: Set<PackIndex.Pack> { Set(frames.values.map(\.pack)) }
}
