import HostFiles

/// What an import has brought so far: a directory of its own whose lock says that somebody is at it.
final class Staging {
    private let directory: String
    private let lock: OpenFile
    /// From where to where, in order.
    private var files: [(from: String, to: String)] = []
    private var isDone = false

    /// Call it with the store's lock held: a directory that nobody has locked is taken for a dead process'.
    init(in layout: StoreLayout) throws {
        directory = "\(layout.staging)/\(StoreLayout.randomName())"
        try Directories.make(directory, mode: 0o700)
        lock = try OpenFile.locking(directory + "/lock")
        guard try lock.tryLock() else { throw VMImageError(.failed, "\(directory) is somebody else's") }
    }

    deinit {
        guard !isDone else { return }
        // What cannot be removed here is removed by the next collection.
        try? Self.remove(directory)
    }

    /// A name for the next file.
    func place() -> String { "\(directory)/\(files.count)-\(StoreLayout.randomName())" }

    /// Says where a finished file belongs.
    func add(_ path: String, to place: String) { files.append((path, place)) }

    /// Puts everything in place; what is there already is the same. Call it with the store's lock held.
    func commit(_ layout: StoreLayout) throws {
        for file in files where !FilePlaces.exists(file.to) { try FilePlaces.move(file.from, to: file.to) }
        try FilePlaces.sync(directory: layout.blobs)
        try FilePlaces.sync(directory: layout.disks)
    }

    func finish() throws {
        isDone = true
        try Self.remove(directory)
    }

    static func remove(_ directory: String) throws {
        for name in try Directories.names(directory) where name != "lock" {
            try FilePlaces.remove("\(directory)/\(name)")
        }
        try FilePlaces.remove(directory + "/lock")
        try FilePlaces.removeDirectory(directory)
    }
}
