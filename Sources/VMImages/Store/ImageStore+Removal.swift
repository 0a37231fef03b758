import HostFiles
import Logging
import Registry

extension ImageStore {
    /// What became of an image whose name was taken away.
    public struct Removal: Sendable, Hashable {
        public var id: String
        /// The names it no longer has.
        public var untagged: [String]
        /// Whether its data is gone; false while something needs it, or it has another name.
        public var isDeleted: Bool
    }

    /// Takes an image's name away, or all its names. Data goes when the image has no name left and nothing uses it.
    ///
    /// - Parameters:
    ///   - reference: an id, or the beginning of one, means all names.
    ///   - allNames: also for a name.
    ///   - inUse: digests that machines need, of images or of anything in them. Asked while nobody can take a lease.
    /// - Returns: nil when there is no such image.
    @discardableResult
    public func remove(
        _ reference: String, allNames: Bool = false, inUse: () throws -> Set<String>
    ) throws -> Removal? {
        guard Self.entry(reference, in: try StoreIndex.read(layout.index), prefixes: true) != nil else { return nil }
        try layout.make()
        return try StoreLock.with(layout.lock) {
            var index = try StoreIndex.read(layout.index)
            guard let entry = Self.entry(reference, in: index, prefixes: true) else { return nil }
            var names = Set(entry.names)
            if !allNames, let parsed = try? ImageReference(parsing: reference), parsed.digest == nil,
                names.contains(parsed.canonical)
            {
                names = [parsed.canonical]
            }
            // What the last name, or the id, was pinned by goes with them.
            index.removeNames(names.count == entry.names.count ? names.union([entry.id]) : names)
            try index.write(to: layout.index)
            let collected = try collectLocked(&index, inUse: inUse)
            return Removal(
                id: entry.id, untagged: names.sorted().map { (try? ImageReference(parsing: $0))?.familiar ?? $0 },
                isDeleted: collected.images.contains(entry.id))
        }
    }

    /// What a collection removed.
    public struct Collected: Sendable, Hashable {
        /// Ids of images without a name that nothing used.
        public var images: [String] = []
        /// Blobs, disks, and what dead processes left.
        public var files = 0
        /// What those files took on disk.
        public var bytes: Int64 = 0
    }

    /// Removes images without a name, files that belong to no image, and what dead imports left; nothing that is in use,
    /// leased, or part of an import under way.
    ///
    /// - Parameters:
    ///   - pulls: for how long what an unfinished pull has brought is kept after the last of it came.
    ///   - inUse: as for ``remove(_:allNames:inUse:)``.
    /// - Throws: `badRecord` when an image cannot be read: what belongs to it is not known then, and no file is removed.
    @discardableResult
    public func collect(
        keeping pulls: Duration = ImageStore.unfinishedPulls, inUse: () throws -> Set<String>
    ) throws -> Collected {
        guard FilePlaces.exists(layout.directory) else { return Collected() }
        try layout.make()
        return try StoreLock.with(layout.lock) {
            var index = try StoreIndex.read(layout.index)
            return try collectLocked(&index, keeping: pulls, inUse: inUse)
        }
    }

    /// A day: longer than any network is away that somebody waits for.
    public static var unfinishedPulls: Duration { .seconds(86_400) }

    func collectLocked(
        _ index: inout StoreIndex, keeping pulls: Duration = ImageStore.unfinishedPulls, inUse: () throws -> Set<String>
    ) throws -> Collected {
        var collected = Collected()
        // Leases first: one that ended just now has left its machine where `inUse` finds it.
        let leased = try leased()
        let used = try inUse()
        let unused = Set(
            try index.images.filter { entry in
                try entry.names.isEmpty && entry.pins == nil && !leased.contains(entry.id) && !isUsed(entry, used)
            }.map(\.id))
        if !unused.isEmpty {
            index.images.removeAll { unused.contains($0.id) }
            try index.write(to: layout.index)
            forget(unused)
            collected.images = unused.sorted()
            for id in collected.images {
                try FilePlaces.remove(LazySource.path(layout, id))
                logger.info("image removed", metadata: ["image": "\(id)"])
            }
        }
        try sweep(index, keeping: pulls, &collected)
        return collected
    }

    private func isUsed(_ entry: StoreIndex.Entry, _ used: Set<String>) throws -> Bool {
        let id = entry.id
        if used.isEmpty { return false }
        if used.contains(id) { return true }
        do {
            return try !used.isDisjoint(with: contents(entry).manifest.digests)
        } catch let error as VMImageError where error.code == .badRecord || error.code == .notFound {
            logger.warning("an image without a name cannot be read", metadata: ["image": "\(id)", "error": "\(error)"])
            return false
        }
    }

    /// Removes files that no image in the index has.
    private func sweep(_ index: StoreIndex, keeping pulls: Duration, _ collected: inout Collected) throws {
        var blobs: Set<String> = []
        var disks: Set<String> = []
        for entry in index.images {
            let manifest: Manifest
            do {
                manifest = try contents(entry).manifest
            } catch let error as VMImageError {
                throw VMImageError(
                    error.code == .newerRecord ? .newerRecord : .badRecord,
                    "nothing is removed from \(layout.directory) as long as the image \(entry.id) cannot be read: remove "
                        + "it (cri-shim image rm \(entry.id))", cause: error)
            }
            blobs.formUnion(
                (manifest.digests + [entry.id] + (entry.contents.map { [$0] } ?? []) + (entry.packs ?? [])
                    + (entry.bootOrder.map { [$0] } ?? [])).map(StoreLayout.hex))
            disks.formUnion(manifest.disks.map(StoreLayout.hex))
        }
        for (directory, needed) in [(layout.blobs, blobs), (layout.disks, disks)] {
            for name in try Directories.names(directory) where !needed.contains(name) {
                let path = "\(directory)/\(name)"
                collected.bytes += try FilePlaces.allocated(path)
                try FilePlaces.remove(path)
                collected.files += 1
            }
        }
        try removeUnfinished(keeping: pulls, &collected)
        let ids = Set(index.images.map { StoreLayout.hex($0.id) })
        for name in try Directories.names(layout.uses) where !ids.contains(name) {
            try FilePlaces.remove("\(layout.uses)/\(name)")
        }
        let index = "index.json."
        for name in try Directories.names(layout.directory) where name.hasPrefix(index) && name.hasSuffix(".tmp") {
            try FilePlaces.remove("\(layout.directory)/\(name)")
            collected.files += 1
        }
    }

    /// Removes what dead imports left, and unfinished pulls that nobody is at. Call it with the store's lock held.
    func removeUnfinished(keeping pulls: Duration, _ collected: inout Collected) throws {
        let images = try StoreIndex.read(layout.index).images
        func staged(_ isWhole: Bool) -> Set<String> {
            Set(images.filter { $0.isWhole == isWhole }.map { PullStaging.prefix + StoreLayout.hex($0.id) })
        }
        // What machines run from stays, whether somebody is at it just now or not; what came of it needs nothing more.
        let (fetched, whole) = (staged(false), staged(true))
        for name in try Directories.names(layout.staging) where !fetched.contains(name) {
            let directory = "\(layout.staging)/\(name)"
            guard try isFree(directory) else { continue }
            guard try isAbandoned(name, keeping: whole.contains(name) ? .zero : pulls) else {
                // Credentials that nobody asked to be kept: whoever goes on brings his own.
                try FilePlaces.remove("\(directory)/\(LazySource.fileName)")
                continue
            }
            for file in try Directories.names(directory) {
                collected.bytes += try FilePlaces.allocated("\(directory)/\(file)")
            }
            try Staging.remove(directory)
            collected.files += 1
        }
    }

    /// Whether nobody is at what is staged.
    private func isFree(_ directory: String) throws -> Bool {
        do {
            return try OpenFile.reading(directory + "/lock").tryLock()
        } catch let error as VMImageError where error.code == .notFound {
            return true
        }
    }

    /// What an unfinished pull has brought is kept for a while: the next try goes on with it.
    private func isAbandoned(_ name: String, keeping pulls: Duration) throws -> Bool {
        guard name.hasPrefix(PullStaging.prefix) else { return true }
        let directory = "\(layout.staging)/\(name)"
        // One without a lock was being taken away.
        guard FilePlaces.exists(directory + "/lock") else { return true }
        let age = try PullStaging.age(directory, now: Self.now() / 1_000_000_000)
        return age.map { .seconds($0) >= pulls } ?? true
    }
}
