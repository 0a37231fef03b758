import HostFiles
import Logging
import VMImages

/// Removes images of machines that nobody has used for long, and when their disk fills up the longest unused first. An
/// adapter or a kubelet does the same for all of a node's images over the CRI: whoever looks first makes the room, and the
/// other one finds it. What they know of the CRI's `pinned` is what ``KeptImages`` says here.
struct VMImageCollector: Sendable {
    let catalog: VMImageCatalog
    /// The shim's.
    let root: String
    var policy: ImageCollectionPolicy
    /// Capacity, and what is free, of the disk the images are on.
    var space: @Sendable (String) throws -> (capacity: UInt64, available: UInt64) = { path in
        let space = try FileSystemSpace(path: path)
        return (space.capacityBytes, space.availableBytes)
    }
    var now: @Sendable () -> Int64 = { Timestamps.now() }
    let logger: Logger

    init(catalog: VMImageCatalog, root: String, policy: ImageCollectionPolicy, logger: Logger) {
        self.catalog = catalog
        self.root = root
        self.policy = policy
        self.logger = logger
    }

    /// Looks as often as kubelets do, until cancelled: no file system says that it fills up.
    func run(interval: Duration = .seconds(300)) async {
        while !Task.isCancelled {
            do {
                _ = try await RootDirectory.offload { try look() }
            } catch {
                if Task.isCancelled { return }
                logger.warning("cannot look for images that are of no use", metadata: ["error": "\(error)"])
            }
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    /// One look. Blocks.
    /// - Returns: the ids of the images that were removed.
    @discardableResult
    func look() throws -> [String] {
        let store = catalog.store
        guard store.isMade else { return [] }
        let digests = try MachineReferences.digests(ofRoot: root)
        // What a machine has is used as long as it has it, not only when it was made.
        try store.markUsed(try store.used(by: digests))
        var removed: [String] = []
        let time = now()
        var candidates = try store.unused(inUse: digests).filter {
            catalog.keep.reason($0.image) == nil && $0.age(now: time) >= policy.minimumAge
        }
        candidates = try candidates.filter { unused in
            guard let reason = policy.reason(age: unused.age(now: time)) else { return true }
            if try remove(unused, reason, time) != nil { removed.append(unused.image.id) }
            return false
        }
        let (capacity, available) = try space(store.directory)
        let wanted = policy.excess(capacity: capacity, available: available)
        if wanted > 0 { removed += try makeRoom(wanted, candidates, capacity: capacity, time) }
        return removed
    }

    private func makeRoom(
        _ wanted: UInt64, _ candidates: [UnusedImage], capacity: UInt64, _ time: Int64
    ) throws -> [String] {
        let store = catalog.store
        var removed: [String] = []
        let unfinished = try store.removeUnfinished(keeping: policy.minimumAge)
        var freed = UInt64(clamping: unfinished.bytes)
        if unfinished.files > 0 {
            logger.notice(
                "unfinished pulls removed",
                metadata: ["why": "their disk is more than \(policy.high) % full", "bytes": "\(unfinished.bytes)"])
        }
        /// Somebody else may make room at the same time.
        func isEnough() throws -> Bool {
            if freed >= wanted { return true }
            let (capacity, available) = try space(store.directory)
            return capacity - min(available, capacity) <= capacity / 100 * UInt64(max(0, policy.low))
        }
        for unused in candidates {
            if try isEnough() { return removed }
            guard let bytes = try remove(unused, "their disk is more than \(policy.high) % full", time) else {
                continue
            }
            freed &+= UInt64(clamping: bytes)
            removed.append(unused.image.id)
        }
        if try !isEnough() {
            logger.warning(
                "the disk of VM images is nearly full, and no image is left that may go",
                metadata: [
                    "path": "\(store.directory)", "wantedBytes": "\(wanted)", "freedBytes": "\(freed)",
                    "highThreshold": "\(policy.high)",
                ])
        }
        return removed
    }

    /// - Returns: bytes that were freed; nil when the image stays.
    private func remove(_ unused: UnusedImage, _ reason: String, _ time: Int64) throws -> Int64? {
        let collected = try catalog.store.remove(unused) { try MachineReferences.digests(ofRoot: root) }
        guard let collected else { return nil }
        logger.notice(
            "image removed",
            metadata: [
                "image": "\(unused.image.id)", "names": "\(unused.image.names.joined(separator: ", "))",
                "why": "\(reason)", "unusedFor": "\(ImageCollectionPolicy.text(unused.age(now: time)))",
                "bytes": "\(collected.bytes)",
            ])
        return collected.bytes
    }
}
