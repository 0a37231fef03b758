import KubeAPI
import Logging
import Proto

/// What is left of the disk images are on.
struct DiskSpace: Sendable, Hashable {
    var capacity: UInt64
    var available: UInt64
    var inodes: UInt64 = 0
    var freeInodes: UInt64 = 0
}

/// Removes images nobody uses when their disk fills up, the longest unused first; never one that a container has.
actor ImageCollector {
    private let store: any ImageStore
    private let records: PullRecords?
    private let policy: ImageGarbage.Policy
    private let space: @Sendable () async throws -> DiskSpace?
    private let events: EventRecorder?
    private let node: ObjectReference
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private var garbage = ImageGarbage()

    /// - Parameter space: of the disk the images are on; `nil` where nobody can tell.
    init(
        store: any ImageStore, records: PullRecords? = nil, policy: ImageGarbage.Policy = .init(), nodeName: String,
        events: EventRecorder?,
        logger: Logger, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() },
        space: @escaping @Sendable () async throws -> DiskSpace?
    ) {
        self.store = store
        self.records = records
        self.policy = policy
        self.space = space
        self.events = events
        self.logger = logger
        self.now = now
        node = ObjectReference(node: nodeName)
    }

    /// Looks every now and then, until the task is cancelled.
    func run(interval: Duration = .seconds(300)) async {
        while !Task.isCancelled {
            do {
                try await collect()
            } catch {
                if Task.isCancelled { return }
                logger.warning("cannot look for images that are of no use: \(error)")
                events?.record(node, .warning, "ImageGCFailed", "\(error)")
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    /// - Parameter all: remove everything nobody uses, however much space there is (the node is short of it).
    /// - Returns: bytes that were freed, as the images say it.
    @discardableResult
    func collect(all: Bool = false) async throws -> UInt64 {
        let now = now()
        let images = try await store.images()
        await records?.prune(keeping: Set(images.map(\.id)), since: now)
        let inUse = try await store.imagesInUse()
        garbage.look(images, inUse: inUse, now: now)
        var wanted = UInt64.max
        if !all {
            guard let space = try await space() else { return 0 }
            wanted = ImageGarbage.excess(capacity: space.capacity, available: space.available, policy: policy)
        }
        if wanted == 0 { return 0 }
        var policy = policy
        if all { policy.minimumAge = .zero }
        var freed: UInt64 = 0
        for image in garbage.candidates(images, inUse: inUse, policy: policy, now: now) where freed < wanted {
            // Somebody may have begun to use it since.
            if try await store.imagesInUse().contains(where: { $0 == image.id }) { continue }
            let name = image.repoTags.first ?? image.repoDigests.first ?? image.id
            do {
                try await store.removeImage(image.id)
                freed &+= image.size
                logger.info("removed image \(name), which nobody uses: its disk fills up")
            } catch {
                try Task.checkCancellation()
                logger.warning("cannot remove image \(name): \(error)")
            }
        }
        if !all, freed < wanted {
            events?.record(
                node, .warning, "FreeDiskSpaceFailed",
                "Failed to garbage collect required amount of images. Attempted to free \(wanted) bytes, but only found "
                    + "\(freed) bytes eligible to free.")
        }
        return freed
    }
}
