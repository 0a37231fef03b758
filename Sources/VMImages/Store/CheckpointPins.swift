import FoundationEssentials
import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What keeps images for checkpoints: the disks of a checkpoint lie upon those of the image its machine was made of. One
/// file below `<root>/checkpoints` says for each where it is. One that was removed needs nothing any more. Everything blocks.
public struct CheckpointPins: Sendable {
    /// One checkpoint.
    public struct Pin: Codable, Sendable, Hashable {
        static let schema = 1

        var schema = Self.schema
        /// The directory it has when it is whole,
        public var location: String
        /// and the one it is made in.
        public var draft: String
        /// Of the images, or of anything in them.
        public var digests: Set<String>
        /// The file system it is on: while that is not mounted nothing says that the checkpoint is gone.
        var device: UInt64?

        public init(location: String, draft: String, digests: Set<String>) {
            self.location = location
            self.draft = draft
            self.digests = digests
        }
    }

    private let directory: String
    private static let sizeLimit = 1 << 20
    /// What a checkpoint is known by.
    private static let record = "/checkpoint.json"

    /// - Parameter root: the shim's.
    public init(root: String) { directory = root + "/checkpoints" }

    /// Keeps what a checkpoint needs for as long as its draft or the checkpoint itself is there. The draft is there
    /// already. What was known of a former one at the same place is forgotten.
    public func add(_ pin: Pin) throws {
        var pin = pin
        pin.device = Self.device(of: pin.draft)
        try Directories.make(directory, mode: 0o700)
        let former = try pins().filter { $0.pin.location == pin.location }
        try AtomicFile.write(
            try JSONText.bytes(pin), to: "\(directory)/\(StoreLayout.randomName()).json", mode: 0o600)
        for one in former { try FilePlaces.remove(one.path) }
    }

    /// What the checkpoints that are still there need. Those that are gone are forgotten.
    /// - Throws: `badRecord` or `newerRecord`: it is not known then what may be removed.
    public func digests() throws -> Set<String> {
        var digests: Set<String> = []
        for (path, pin) in try pins() {
            if Self.isGone(pin) {
                try FilePlaces.remove(path)
            } else {
                digests.formUnion(pin.digests)
            }
        }
        return digests
    }

    private func pins() throws -> [(path: String, pin: Pin)] {
        guard FilePlaces.isDirectory(directory) else { return [] }
        return try Directories.names(directory).sorted().filter { $0.hasSuffix(".json") }.compactMap { name in
            let path = "\(directory)/\(name)"
            guard let bytes = try FilePlaces.contents(of: path, limit: Self.sizeLimit) else { return nil }
            return (path, try Self.decode(bytes, path))
        }
    }

    private static func decode(_ bytes: [UInt8], _ path: String) throws -> Pin {
        struct Version: Decodable { var schema: Int }
        do {
            let data = Data(bytes)
            let version = try JSONDecoder().decode(Version.self, from: data).schema
            guard version <= Pin.schema else {
                throw VMImageError(
                    .newerRecord,
                    "\(path) was written by a newer version of this program (layout \(version)): use that one")
            }
            return try JSONDecoder().decode(Pin.self, from: data)
        } catch let error as VMImageError {
            throw error
        } catch {
            throw VMImageError(
                .badRecord,
                "\(path), which says what a checkpoint needs, is damaged: remove it if that checkpoint is gone",
                cause: error)
        }
    }

    private static func isGone(_ pin: Pin) -> Bool {
        // In this order: the one becomes the other.
        if FilePlaces.exists(pin.draft) || FilePlaces.exists(pin.location + record) { return false }
        guard let device = pin.device, let slash = pin.location.lastIndex(of: "/") else { return true }
        let parent = pin.location[..<slash]
        // Where its file system is not mounted, there is another one, or nothing.
        return Self.device(of: parent.isEmpty ? "/" : String(parent)) == device
    }

    private static func device(of path: String) -> UInt64? {
        var status = stat()
        return stat(path, &status) == 0 ? UInt64(truncatingIfNeeded: status.st_dev) : nil
    }
}
