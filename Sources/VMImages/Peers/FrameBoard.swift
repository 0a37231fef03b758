import NIOConcurrencyHelpers
public import NIOCore

/// What this host has of disks, for peers: those of the store, and those that are being pulled. Who knows a disk's digest
/// may have what it holds.
public final class FrameBoard: Sendable {
    fileprivate struct Disk {
        /// While it is being pulled.
        var file: OpenFile?
        var has: Set<Int> = []
        var fetches: Set<Int> = []
        var followers: [Int: AsyncStream<FrameNews>.Continuation] = [:]

        /// - Returns: whether there is something to tell.
        mutating func take(_ news: FrameNews) -> Bool {
            switch news {
            case .has(let numbers):
                has.formUnion(numbers)
                fetches.subtract(numbers)
                return !numbers.isEmpty
            case .fetches(let numbers):
                fetches.formUnion(numbers)
                return true
            case .lost(let numbers):
                has.subtract(numbers)
                fetches.subtract(numbers)
                return !numbers.isEmpty
            }
        }
    }

    fileprivate struct State {
        var next = 0
        var isClosed = false
        var disks: [String: Disk] = [:]
    }

    /// Who we are, to tell hosts apart; means nothing.
    public let id = StoreLayout.randomName()
    private let store: ImageStore
    private let state = NIOLockedValueBox(State())

    public init(store: ImageStore) { self.store = store }

    // MARK: For peers

    /// What there is of a disk, and what comes, until the stream is dropped. Blocks shortly.
    /// - Returns: nil for what is no digest of a disk.
    public func follow(_ digest: String) throws -> AsyncStream<FrameNews>? {
        guard Self.isDigest(digest) else { return nil }
        let whole = try wholeDisk(digest)
        let (stream, continuation) = AsyncStream.makeStream(of: FrameNews.self)
        let follower = state.withLockedValue { state -> Int? in
            if state.isClosed { return nil }
            state.next += 1
            var disk = state.disks[digest] ?? Disk()
            let has = whole.isEmpty ? disk.has.sorted() : whole
            // Also that there is nothing: a peer waits for the first word.
            continuation.yield(.has(has))
            if !disk.fetches.isEmpty { continuation.yield(.fetches(disk.fetches.sorted())) }
            disk.followers[state.next] = continuation
            state.disks[digest] = disk
            return state.next
        }
        guard let follower else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            // Not here: whoever cancels a task holds it, and ``tell(_:_:)`` wakes that task with the lock held.
            Task { self?.leave(digest, follower) }
        }
        return stream
    }

    /// The frame as it goes over the wire: compressed with zstd. Blocks.
    /// - Returns: nil when it is not here.
    public func frame(_ number: Int, ofDisk digest: String) throws -> ByteBuffer? {
        guard Self.isDigest(digest), number >= 0, number < FrameNews.limit else { return nil }
        let pulled = state.withLockedValue { state -> OpenFile? in
            guard let disk = state.disks[digest], disk.has.contains(number) else { return nil }
            return disk.file
        }
        let file: OpenFile
        do {
            file = try pulled ?? OpenFile.reading(store.layout.disk(digest))
        } catch let error as VMImageError where error.code == .notFound {
            return nil
        }
        let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: DiskIndex.chunkSize, alignment: 4096)
        defer { raw.deallocate() }
        let count = try file.read(raw, at: Int64(number) * Int64(DiskIndex.chunkSize))
        guard count > 0 else { return nil }
        let source = UnsafeRawBufferPointer(rebasing: raw[..<count])
        var bytes = ByteBuffer()
        // A network is faster than a thorough compressor.
        try bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: ZstdEncoder.bound(count)) {
            try ZstdEncoder(level: 1).encode(source, into: $0)
        }
        return bytes
    }

    /// Ends everybody's streams; there are no new ones.
    public func close() {
        let followers = state.withLockedValue { state in
            state.isClosed = true
            return state.disks.values.flatMap(\.followers.values)
        }
        for follower in followers { follower.finish() }
    }

    private func leave(_ digest: String, _ follower: Int) {
        state.withLockedValue { state in
            state.disks[digest]?.followers[follower] = nil
            state.tidy(digest)
        }
    }

    private func wholeDisk(_ digest: String) throws -> [Int] {
        guard FilePlaces.exists(store.layout.disk(digest)),
            let bytes = try FilePlaces.contents(of: store.layout.blob(digest), limit: PackIndex.sizeLimit)
        else { return [] }
        return try DiskIndex(parsing: bytes).chunks.map { Int($0.offset / Int64(DiskIndex.chunkSize)) }
    }

    private static func isDigest(_ text: String) -> Bool {
        text.utf8.count == 71 && text.hasPrefix("sha256:")
            && text.utf8.dropFirst(7).allSatisfy { (48...57).contains($0) || (97...102).contains($0) }
    }

    // MARK: For pulls

    /// A pull has begun, or goes on.
    func begin(_ digest: String, _ file: OpenFile, has: Set<Int>) {
        state.withLockedValue { $0.disks[digest, default: Disk()].file = file }
        tell(digest, .has(has.sorted()))
    }

    /// What becomes of its frames.
    func tell(_ digest: String, _ news: FrameNews) {
        state.withLockedValue { state in
            // In its place: a copy of all that a large disk has would be made for every frame.
            guard state.disks[digest]?.take(news) == true, let followers = state.disks[digest]?.followers else {
                return
            }
            for follower in followers.values { follower.yield(news) }
        }
    }

    /// The pull is over.
    /// - Parameter isHere: whether the disk is in the store now.
    func end(_ digest: String, isHere: Bool) {
        if !isHere {
            let numbers = state.withLockedValue { $0.disks[digest].map { $0.has.union($0.fetches) } ?? [] }
            tell(digest, .lost(numbers.sorted()))
        }
        state.withLockedValue { state in
            state.disks[digest]?.file = nil
            state.disks[digest]?.has = []
            state.disks[digest]?.fetches = []
            state.tidy(digest)
        }
    }
}

extension FrameBoard.State {
    fileprivate mutating func tidy(_ digest: String) {
        guard let disk = disks[digest], disk.file == nil, disk.followers.isEmpty else { return }
        disks[digest] = nil
    }
}
