import HostFiles

/// Keeps an image's files where they are while a machine is being made of it, in this process and against others. Ends
/// with ``release()``, when it is let go, or with the process.
public final class ImageLease: Sendable {
    public let image: VMImage
    public let files: VMImageFiles
    private let path: String
    private let lock: OpenFile

    init(_ image: VMImage, files: VMImageFiles, path: String, lock: OpenFile) {
        self.image = image
        self.files = files
        self.path = path
        self.lock = lock
    }

    deinit { release() }

    /// From now on only what the caller names as in use is kept. Blocks shortly.
    public func release() {
        // A file that stays is removed by the next collection: its lock goes with this object.
        try? FilePlaces.remove(path)
    }
}

extension ImageStore {
    /// Keeps an image until a machine made of it is on disk, where the next collection finds it.
    /// - Returns: nil when there is no such image.
    public func lease(_ reference: String) throws -> ImageLease? {
        guard try resolve(reference) != nil else { return nil }
        return try change { index in
            guard let entry = Self.entry(reference, in: index, prefixes: false) else { return nil }
            let image = try image(entry)
            let path = "\(layout.leases)/\(StoreLayout.randomName())"
            let lock = try OpenFile.locking(path)
            guard try lock.tryLock() else { throw VMImageError(.failed, "\(path) is somebody else's") }
            try Array(entry.id.utf8).withUnsafeBytes { try lock.write($0, at: 0) }
            return ImageLease(image, files: files(of: image), path: path, lock: lock)
        }
    }

    /// The same of an image that is to be read from its beginning to its end.
    /// - Throws: `notFound`; `failed` for one whose disks are still being fetched.
    func leaseWhole(_ reference: String) throws -> ImageLease {
        guard let lease = try lease(reference) else { throw Self.absent(reference) }
        guard lease.image.isWhole else {
            lease.release()
            throw VMImageError(
                .failed,
                "the image \(reference) is still being fetched: wait for it (cri-shim image pull NAME does), and try again"
            )
        }
        return lease
    }

    /// The ids that living processes hold; leases of dead ones are removed. Call it with the store's lock held.
    func leased() throws -> Set<String> {
        var ids: Set<String> = []
        for name in try Directories.names(layout.leases) {
            let path = "\(layout.leases)/\(name)"
            let file: OpenFile
            do {
                file = try OpenFile.reading(path)
            } catch let error as VMImageError where error.code == .notFound {
                continue
            }
            if try file.tryLock() {
                try FilePlaces.remove(path)
            } else if let bytes = try FilePlaces.contents(of: path, limit: 256) {
                ids.insert(String(decoding: bytes, as: UTF8.self))
            }
        }
        return ids
    }
}
