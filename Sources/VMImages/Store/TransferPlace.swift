import HostFiles

/// A directory for files on their way; it goes with the object.
final class TransferPlace: Sendable {
    let directory: String
    private let lock: OpenFile

    /// Blocks.
    init(_ layout: StoreLayout) throws {
        (directory, lock) = try StoreLock.with(layout.lock) {
            let directory = "\(layout.staging)/\(StoreLayout.randomName())"
            try Directories.make(directory, mode: 0o700)
            let lock = try OpenFile.locking(directory + "/lock")
            guard try lock.tryLock() else { throw VMImageError(.failed, "\(directory) is somebody else's") }
            return (directory, lock)
        }
    }

    deinit {
        // What cannot be removed here is removed by the next collection.
        try? Staging.remove(directory)
    }
}
