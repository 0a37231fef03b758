import HostFiles
import Logging
public import NBD
public import Registry

/// An image that machines run from while its disks are fetched, and afterwards for as long as they do. One process at a time
/// has it: the one that holds the lock of what is staged.
public final class LazyImage: Sendable {
    /// The disks of an image, as its machines see them.
    public let exports: [any NBDExport]
    private let id: String
    private let store: ImageStore
    private let work: LazyWork?
    private let workers: Workers

    /// Opens an image; waits while somebody pulls it as a whole.
    ///
    /// - Parameter source: where blobs come from, by what the pull that began it left.
    /// - Throws: `notFound` when there is no such image; `badRecord`.
    public static func open(
        _ id: String, in store: ImageStore,
        source: @escaping @Sendable (LazySource) async throws -> any BlobSource
    ) async throws -> LazyImage {
        try await open(id, in: store, timing: .init(), source: source)
    }

    static func open(
        _ id: String, in store: ImageStore, timing: LazyFetch.Timing,
        source: @escaping @Sendable (LazySource) async throws -> any BlobSource
    ) async throws -> LazyImage {
        let workers = Workers()
        do {
            while true {
                let entry = try await workers.run { try StoreIndex.read(store.layout.index).entry(id: id) }
                guard let entry else { throw ImageStore.absent(id) }
                if entry.isWhole {
                    let disks = try await workers.run { try Self.disks(of: entry, store) }
                    return LazyImage(id, store, disks, nil, workers)
                }
                if let staging = try await workers.run({ try PullStaging.open(store.layout, manifest: id) }) {
                    let blobs = ReloadingSource(path: LazySource.path(store.layout, id), make: source)
                    let run = PullRun(
                        store: store, source: blobs, staging: staging, workers: workers, meter: PullMeter(),
                        name: entry.names.first ?? id)
                    let work = try await LazyWork(run, entry, timing: timing)
                    return LazyImage(id, store, work.exports, work, workers)
                }
                // There is no wait for a file's lock that could be cancelled.
                try await Task.sleep(for: .milliseconds(200))
            }
        } catch {
            try await workers.stop()
            throw error
        }
    }

    private init(
        _ id: String, _ store: ImageStore, _ exports: [any NBDExport], _ work: LazyWork?, _ workers: Workers
    ) {
        self.id = id
        self.store = store
        self.exports = exports
        self.work = work
        self.workers = workers
    }

    /// Fetches what is missing, and returns when the image is whole: from then on it is like any other.
    /// - Throws: `notFound` when the image was removed; `noSpace`, `failed`; `CancellationError`.
    public func run() async throws {
        do {
            try await work?.run()
            try await workers.stop()
        } catch {
            try await workers.stop()
            throw error
        }
    }

    /// A guest has started: what it read until now is what the next one reads first, and the rest is fetched now.
    public func guestStarted() async throws {
        guard let work else { return }
        try await work.guestStarted()
    }

    /// Bytes that have come from the registry.
    public var fetched: Int64 { work?.run.meter.done ?? 0 }

    private static func disks(of entry: StoreIndex.Entry, _ store: ImageStore) throws -> [any NBDExport] {
        try store.contents(entry).config.disks.enumerated().map { number, disk in
            guard let bytes = try FilePlaces.contents(of: store.layout.blob(disk.digest), limit: PackIndex.sizeLimit)
            else {
                throw VMImageError(.badRecord, "the index of the disk \(disk.digest) is gone: pull the image again")
            }
            return LazyDisk.whole(
                number, try OpenFile.reading(store.layout.disk(disk.digest)), try DiskIndex(parsing: bytes))
        }
    }
}

extension LazyDisk {
    static func whole(_ number: Int, _ file: OpenFile, _ index: DiskIndex) -> LazyDisk {
        LazyDisk(
            number: number, file: file, length: index.size,
            runs: Dictionary(index.chunks.map { ($0.offset, 0) }) { first, _ in first }, fetch: nil)
    }
}
