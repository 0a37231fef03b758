import Registry

extension ImageStore {
    /// Keeps an image from every collection. A name that is pinned stays pinned wherever it goes, until it is removed; an id
    /// means this image, whatever names it has.
    /// - Returns: the image as it is now.
    /// - Throws: `notFound`.
    @discardableResult
    public func pin(_ reference: String) throws -> VMImage {
        try change { index in
            guard let entry = Self.entry(reference, in: index, prefixes: true),
                let place = index.images.firstIndex(where: { $0.id == entry.id })
            else { throw Self.absent(reference) }
            index.images[place].pin(Self.pinnedName(reference, entry), true)
            return try image(index.images[place])
        }
    }

    /// Ends what ``pin(_:)`` began: for a name that one, for an id all of the image's pins.
    /// - Throws: `notFound`.
    @discardableResult
    public func unpin(_ reference: String) throws -> VMImage {
        try change { index in
            guard let entry = Self.entry(reference, in: index, prefixes: true),
                let place = index.images.firstIndex(where: { $0.id == entry.id })
            else { throw Self.absent(reference) }
            let name = Self.pinnedName(reference, entry)
            if name == entry.id {
                index.images[place].pins = nil
            } else {
                index.images[place].pin(name, false)
            }
            return try image(index.images[place])
        }
    }

    /// The name that was meant, if it is one of the image's; else its id.
    private static func pinnedName(_ reference: String, _ entry: StoreIndex.Entry) -> String {
        guard !ImageReference.isID(reference), let parsed = try? ImageReference(parsing: reference),
            entry.names.contains(parsed.canonical)
        else { return entry.id }
        return parsed.canonical
    }
}
