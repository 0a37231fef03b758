/// What is in the packs of the image that another one was made of.
struct BasePacks: Sendable {
    /// A frame in a pack.
    struct Place: Sendable, Hashable {
        /// Of what the frame holds.
        var digest: String
        var pack: PackIndex.Pack
        var start: Int64
        var length: Int
    }

    struct Frame: Sendable {
        var place: Place
        /// What it builds on.
        var root: Place?
    }

    /// By what they hold.
    private(set) var frames: [String: Frame] = [:]
    /// By their offset in the disk: what a changed frame there may build on, which itself builds on nothing.
    private(set) var roots: [Int64: Place] = [:]
    /// Of the disk, in bytes.
    private(set) var size: Int64 = 0

    init(_ index: PackIndex? = nil) {
        guard let index else { return }
        size = index.size
        for frame in index.frames {
            let place = Place(
                digest: frame.digest, pack: index.packs[frame.pack], start: frame.start, length: frame.length)
            let root = frame.base.map {
                Place(digest: $0.digest, pack: index.packs[$0.pack], start: $0.start, length: $0.length)
            }
            frames[frame.digest] = Frame(place: place, root: root)
            roots[frame.offset] = root ?? place
        }
    }

    var packs: Set<PackIndex.Pack> {
        Set(frames.values.map(\.place.pack)).union(frames.values.compactMap { $0.root?.pack })
    }
}

/// An index of packs that is being made.
struct PackIndexBuilder {
    private(set) var index: PackIndex
    private var numbers: [PackIndex.Pack: Int] = [:]

    init(size: Int64) { index = PackIndex(size: size, packs: [], frames: []) }

    mutating func add(_ offset: Int64, _ frame: BasePacks.Frame) {
        var made = PackIndex.Frame(
            offset: offset, digest: frame.place.digest, pack: number(frame.place.pack), start: frame.place.start,
            length: frame.place.length)
        if let root = frame.root {
            made.base = .init(digest: root.digest, pack: number(root.pack), start: root.start, length: root.length)
        }
        index.frames.append(made)
    }

    private mutating func number(_ pack: PackIndex.Pack) -> Int {
        if let number = numbers[pack] { return number }
        numbers[pack] = index.packs.count
        index.packs.append(pack)
        return index.packs.count - 1
    }

    /// - Returns: the index, in the order of the disk.
    mutating func finish() -> PackIndex {
        index.frames.sort { $0.offset < $1.offset }
        return index
    }
}
