import HostFiles
import Logging

/// An image that no machine uses, and since when.
public struct UnusedImage: Sendable, Hashable {
    public var image: VMImage
    /// When a machine was last made of it, or it came here; nanoseconds since 1970.
    public var lastUsed: Int64

    /// For how long it has been of no use.
    public func age(now: Int64) -> Duration { .nanoseconds(max(0, now - lastUsed)) }
}

extension ImageStore {
    /// Says that images are in use now. An empty file's time is all that is written: nothing waits for the disk.
    public func markUsed(_ ids: Set<String>) throws {
        guard !ids.isEmpty else { return }
        try layout.make()
        for id in ids { try OpenFile.locking("\(layout.uses)/\(StoreLayout.hex(id))").touch(Self.now()) }
    }

    /// When a machine was last made of an image, or it came here; nanoseconds since 1970.
    public func lastUsed(_ image: VMImage) throws -> Int64 { try lastUsed(image.id, image.importedAt) }

    private func lastUsed(_ id: String, _ importedAt: Int64) throws -> Int64 {
        do {
            return max(importedAt, try OpenFile.reading("\(layout.uses)/\(StoreLayout.hex(id))").facts().modifiedAt)
        } catch let error as VMImageError where error.code == .notFound {
            return importedAt
        }
    }

    /// The ids of the images that machines and checkpoints need.
    /// - Parameter digests: those they name; see ``MachineReferences``.
    public func used(by digests: Set<String>) throws -> Set<String> {
        try Self.used(try StoreIndex.read(layout.index), digests) { try contents($0).manifest.digests }
    }

    /// Images that nothing uses and nobody pinned, the longest unused first. Those without a name go by themselves.
    public func unused(inUse digests: Set<String>) throws -> [UnusedImage] {
        guard FilePlaces.exists(layout.directory) else { return [] }
        let used = try used(by: digests)
        return try list().filter { !$0.isPinned && !$0.names.isEmpty && !used.contains($0.id) }
            .map { UnusedImage(image: $0, lastUsed: try lastUsed($0)) }
            .sorted { ($0.lastUsed, $0.image.id) < ($1.lastUsed, $1.image.id) }
    }

    /// Removes an image with all its names, if nothing has used it since it was looked at.
    ///
    /// - Parameter inUse: as for ``collect(keeping:inUse:)``.
    /// - Returns: nil when it stays: it is used, leased or pinned now, or it is gone already.
    public func remove(_ unused: UnusedImage, inUse: () throws -> Set<String>) throws -> Collected? {
        try layout.make()
        return try StoreLock.with(layout.lock) {
            var index = try StoreIndex.read(layout.index)
            let id = unused.image.id
            // Leases first: one that ended just now has left its machine where `inUse` finds it.
            let leased = try leased()
            let digests = try inUse()
            guard let entry = index.entry(id: id), entry.pins == nil, !leased.contains(id),
                try lastUsed(id, entry.importedAt) == unused.lastUsed,
                try !Self.used(index, digests, { try contents($0).manifest.digests }).contains(id)
            else { return nil }
            index.images.removeAll { $0.id == id }
            try index.write(to: layout.index)
            forget([id])
            try FilePlaces.remove(LazySource.path(layout, id))
            var collected = try collectLocked(&index, inUse: { digests })
            collected.images = [id] + collected.images
            return collected
        }
    }

    /// Removes what unfinished pulls have brought that nobody is at, and that nothing was added to for a while.
    public func removeUnfinished(keeping age: Duration) throws -> Collected {
        guard FilePlaces.exists(layout.directory) else { return Collected() }
        var collected = Collected()
        try StoreLock.with(layout.lock) { try removeUnfinished(keeping: age, &collected) }
        return collected
    }

    /// A digest that an image in use explains makes no other image used: images share kernels and disks.
    static func used(
        _ index: StoreIndex, _ digests: Set<String>, _ contents: (StoreIndex.Entry) throws -> [String]
    ) throws -> Set<String> {
        if digests.isEmpty { return [] }
        var used: Set<String> = []
        var rest = digests
        for entry in index.images where digests.contains(entry.id) {
            used.insert(entry.id)
            rest.subtract(try contents(entry))
        }
        for entry in index.images where !used.contains(entry.id) {
            if try !rest.isDisjoint(with: contents(entry)) { used.insert(entry.id) }
        }
        return used
    }
}
