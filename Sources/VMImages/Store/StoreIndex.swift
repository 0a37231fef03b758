import FoundationEssentials
import HostFiles

/// The store's table of contents: `index.json`.
struct StoreIndex: Codable, Sendable, Equatable {
    /// The newest layout this program writes and reads; a newer one is refused.
    static let schema = 3
    /// What an index without anything new is written as, so that older versions of this program read it.
    private static let commonSchema = 2
    private static let sizeLimit = 16 << 20

    struct Entry: Codable, Sendable, Equatable {
        /// `sha256:…`, of the manifest: as it was fetched, for an image that was pulled.
        var id: String
        /// The manifest of what lies here, where that is another one.
        var contents: String?
        /// Digests of manifests under which it was pushed.
        var published: [String]?
        /// The indexes of the packs that a registry has of its disks, in their order.
        var packs: [String]?
        /// Canonical, sorted; empty for an image that only stays because it is used.
        var names: [String]
        /// Those of its names, and its id, that somebody pinned.
        var pins: [String]?
        /// What its files take, in bytes.
        var size: Int64
        /// Nanoseconds since 1970.
        var importedAt: Int64
        /// Whether its disks are still being fetched, while machines run from them; nil means no.
        var fetching: Bool?
        /// The blob that says what a guest reads first: ``BootOrder``.
        var bootOrder: String?

        var isWhole: Bool { fetching != true }
    }

    var schema = Self.schema
    var images: [Entry] = []

    /// - Returns: an empty index when there is none.
    /// - Throws: `badRecord`, `newerRecord`.
    static func read(_ path: String) throws -> StoreIndex {
        guard let bytes = try FilePlaces.contents(of: path, limit: sizeLimit) else { return StoreIndex() }
        struct Version: Codable { var schema: Int }
        do {
            let data = Data(bytes)
            let version = try JSONDecoder().decode(Version.self, from: data).schema
            guard version <= schema else {
                throw VMImageError(
                    .newerRecord,
                    "\(path) was written by a newer version of this program (layout \(version)): use that one")
            }
            return try JSONDecoder().decode(StoreIndex.self, from: data)
        } catch let error as VMImageError {
            throw error
        } catch {
            throw VMImageError(.badRecord, "\(path) is damaged: restore it, or import the images again", cause: error)
        }
    }

    func write(to path: String) throws {
        var index = self
        index.schema = images.allSatisfy(\.isWhole) ? Self.commonSchema : Self.schema
        try AtomicFile.write(try JSONText.bytes(index), to: path, mode: 0o600)
    }

    // MARK: Names

    func entry(id: String) -> Entry? { images.first { $0.id == id } }
    func entry(published digest: String) -> Entry? {
        entry(id: digest) ?? images.first { $0.published?.contains(digest) ?? false }
    }
    func entry(name: String) -> Entry? { images.first { $0.names.contains(name) } }

    /// Gives an image a name; whoever had it loses it. A name that is pinned stays so.
    mutating func name(_ id: String, _ name: String) {
        let isPinned = images.contains { $0.pins?.contains(name) ?? false }
        for index in images.indices {
            images[index].names.removeAll { $0 == name }
            images[index].pin(name, false)
            if images[index].id == id {
                images[index].names = (images[index].names + [name]).sorted()
                images[index].pin(name, isPinned)
            }
        }
    }

    mutating func removeNames(_ names: Set<String>) {
        for index in images.indices {
            images[index].names.removeAll { names.contains($0) }
            for name in names { images[index].pin(name, false) }
        }
    }
}

extension StoreIndex.Entry {
    /// - Parameter name: canonical, or the image's id.
    mutating func pin(_ name: String, _ isPinned: Bool) {
        let rest = Set(pins ?? []).subtracting([name]).union(isPinned ? [name] : [])
        pins = rest.isEmpty ? nil : rest.sorted()
    }
}

/// JSON as this room writes it: the same value has the same bytes.
enum JSONText {
    static func bytes(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(value))
    }

    /// - Throws: `badRecord`.
    static func value<Value: Decodable>(_ type: Value.Type, _ bytes: [UInt8], _ path: String) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw VMImageError(.badRecord, "\(path) is damaged", cause: error)
        }
    }
}
