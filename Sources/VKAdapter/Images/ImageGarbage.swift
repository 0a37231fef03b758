import KubeAPI
import Proto

/// Which images may go when their disk fills up (kubelet `image_gc_manager`). No I/O.
struct ImageGarbage: Sendable {
    struct Policy: Sendable {
        /// In percent of the disk: images go when more than this is used, until no more than ``low`` is.
        var high: UInt64 = 85
        var low: UInt64 = 80
        /// Images that are known for less stay: somebody may be about to use one.
        var minimumAge: Duration = .seconds(120)
    }

    private struct Known: Sendable {
        var found: Timestamp
        var used: Timestamp?
    }

    private var known: [String: Known] = [:]

    /// Looks at what is there and what is in use.
    /// - Parameter inUse: ids and names of images that containers have, running or not.
    mutating func look(_ images: [CRI.Image], inUse: Set<String>, now: Timestamp) {
        known = known.filter { id, _ in images.contains { $0.id == id } }
        for image in images {
            var entry = known[image.id] ?? Known(found: now)
            if Self.isUsed(image, inUse) { entry.used = now }
            known[image.id] = entry
        }
    }

    private static func isUsed(_ image: CRI.Image, _ inUse: Set<String>) -> Bool {
        inUse.contains(image.id) || image.repoTags.contains(where: inUse.contains)
            || image.repoDigests.contains(where: inUse.contains)
    }

    /// Those that may go, the longest unused first.
    func candidates(_ images: [CRI.Image], inUse: Set<String>, policy: Policy, now: Timestamp) -> [CRI.Image] {
        images.filter { image in
            guard !image.pinned, !Self.isUsed(image, inUse), let entry = known[image.id] else { return false }
            return now.since(entry.found) >= policy.minimumAge
        }
        .sorted { left, right in
            func key(_ image: CRI.Image) -> (Int64, Int64) {
                let entry = known[image.id]
                return (entry?.used?.nanosecondsSince1970 ?? 0, entry?.found.nanosecondsSince1970 ?? 0)
            }
            return key(left) < key(right)
        }
    }

    /// How much has to go; 0 while the disk is not full.
    static func excess(capacity: UInt64, available: UInt64, policy: Policy) -> UInt64 {
        guard capacity > 0 else { return 0 }
        let used = capacity - min(available, capacity)
        guard Double(used) * 100 > Double(capacity) * Double(policy.high) else { return 0 }
        let wanted = capacity / 100 * policy.low
        return used > wanted ? used - wanted : 0
    }
}
