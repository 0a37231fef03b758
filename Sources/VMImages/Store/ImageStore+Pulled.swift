import Registry

extension ImageStore {
    /// Gives an image that is here one more name.
    /// - Parameter whole: takes none whose disks are still being fetched.
    /// - Returns: nil when it is not here.
    func rename(_ id: String, to reference: ImageReference, whole: Bool = true) throws -> VMImage? {
        func found(_ index: StoreIndex) -> StoreIndex.Entry? {
            index.entry(id: id).flatMap { $0.isWhole || !whole ? $0 : nil }
        }
        guard found(try StoreIndex.read(layout.index)) != nil else { return nil }
        return try change { index in
            guard found(index) != nil else { return nil }
            index.name(id, Self.pulledName(reference))
            return try index.entry(id: id).map(image)
        }
    }

    /// Whether machines may run from an image whose disks are yet to come.
    func isBeingFetched(_ id: String) throws -> Bool {
        try StoreIndex.read(layout.index).entry(id: id).map { !$0.isWhole } ?? false
    }

    /// Puts what was pulled in place. A crash on the way leaves the staging directory as it was.
    func add(
        _ entry: StoreIndex.Entry, named reference: ImageReference?, moves: [(from: String, to: String)],
        needed: Set<String>
    ) throws -> VMImage {
        let image = try change { index -> VMImage? in
            for move in moves where !FilePlaces.exists(move.to) { try FilePlaces.link(move.from, to: move.to) }
            try FilePlaces.sync(directory: layout.blobs)
            try FilePlaces.sync(directory: layout.disks)
            if let missing = needed.first(where: { !FilePlaces.exists($0) }) {
                throw VMImageError(.failed, "\(missing) was removed while it was used: pull the image again")
            }
            if let number = index.images.firstIndex(where: { $0.id == entry.id }) {
                // What was fetched while machines ran from it is the ordinary image from here on.
                if entry.isWhole, !index.images[number].isWhole {
                    index.images[number].fetching = nil
                    index.images[number].size = entry.size
                }
            } else if reference != nil {
                index.images.append(entry)
            }
            if let reference { index.name(entry.id, Self.pulledName(reference)) }
            return try index.entry(id: entry.id).map(self.image)
        }
        guard let image else {
            throw VMImageError(.notFound, "the image \(entry.id) was removed while it was fetched: pull it again")
        }
        return image
    }

    /// With a digest the tag says nothing: it may have moved on.
    private static func pulledName(_ reference: ImageReference) -> String {
        reference.digest.map { "\(reference.canonicalName)@\($0)" } ?? reference.canonical
    }
}
