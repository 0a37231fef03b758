import FoundationEssentials
public import HostFiles
public import Logging
import Registry
import Synchronization

/// The images of virtual machines on this host: a directory that daemon and command line use side by side. What is on disk
/// is the truth; a process sees what another one did at its next call. Everything blocks.
///
/// Files are put in place whole: written under another name, synced, renamed, and only then named by the index. A process
/// that dies leaves nothing that ``collect(inUse:)`` would not remove.
public final class ImageStore: Sendable {
    let layout: StoreLayout
    public let logger: Logger
    /// By id; what is read from a blob never changes.
    private let known = Mutex<[String: Contents]>([:])

    struct Contents: Sendable {
        var manifest: Manifest
        var config: VMImageConfig

        /// Everything by which a file of the store is named: digests, or somebody means another file.
        var names: [String] {
            let boot: [String?] =
                switch config.boot {
                case .kernel(let digest, let initrd, _): [digest, initrd]
                case .efi(let variables): [variables]
                case .mac(let model, let storage): [model, storage]
                }
            return manifest.digests + boot.compactMap { $0 } + config.disks.map(\.digest)
        }
    }

    /// What may still be written to the file system of a directory, in bytes.
    let freeSpace: @Sendable (String) throws -> Int64

    /// - Parameter directory: made when something is first put into it.
    public convenience init(directory: String, logger: Logger) {
        self.init(directory: directory, logger: logger, freeSpace: FilePlaces.space)
    }

    init(directory: String, logger: Logger, freeSpace: @escaping @Sendable (String) throws -> Int64) {
        layout = StoreLayout(directory: directory)
        self.logger = logger
        self.freeSpace = freeSpace
    }

    public var directory: String { layout.directory }
    /// Whether anything was ever put into it.
    public var isMade: Bool { FilePlaces.exists(layout.directory) }

    /// All images, those with names first, by name. One that cannot be read is logged and left out.
    public func list() throws -> [VMImage] {
        let images = try StoreIndex.read(layout.index).images.compactMap { entry in
            do {
                return try image(entry)
            } catch let error as VMImageError where error.code == .notFound {
                return nil  // removed meanwhile
            } catch {
                logger.warning("an image cannot be read", metadata: ["image": "\(entry.id)", "error": "\(error)"])
                return nil
            }
        }
        return images.sorted { ($0.names.first ?? "~", $0.id) < ($1.names.first ?? "~", $1.id) }
    }

    /// The image that a container or a user means: an id, `NAME[:TAG]` or `NAME@DIGEST`.
    ///
    /// - Parameter prefixes: takes the beginning of one id, four digits at least, where nothing has that name.
    /// - Returns: nil when it is not here, and for what can be no image's name.
    public func resolve(_ reference: String, prefixes: Bool = false) throws -> VMImage? {
        func entry() throws -> StoreIndex.Entry? {
            Self.entry(reference, in: try StoreIndex.read(layout.index), prefixes: prefixes)
        }
        var tries = 3
        while let found = try entry() {
            do {
                return try image(found)
            } catch let error as VMImageError where error.code == .notFound {
                // Removed or replaced between two looks; a blob that stays away is damage.
                tries -= 1
                if tries == 0 { throw error }
            }
        }
        return nil
    }

    /// Where an image's files are. They stay as long as the image is in use or leased.
    public func files(of image: VMImage) -> VMImageFiles {
        let boot: VMImageFiles.Boot =
            switch image.config.boot {
            case .kernel(let digest, let initrd, let commandLine):
                .kernel(
                    path: layout.blob(digest), initrd: initrd.map { layout.blob($0) }, commandLine: commandLine)
            case .efi(let variables): .efi(variables: variables.map { layout.blob($0) })
            case .mac(let model, let storage):
                .mac(hardwareModel: layout.blob(model), auxiliaryStorage: layout.blob(storage))
            }
        return VMImageFiles(
            boot: boot,
            disks: image.config.disks.map {
                .init(path: layout.disk($0.digest), format: $0.format, capacity: $0.capacity)
            })
    }

    /// The disk the guest starts from; nil for an image without any.
    public func disk(of image: VMImage) -> VMImageFiles.Disk? { files(of: image).disks.first }

    /// Gives an image one more name; an image that had it loses it.
    /// - Throws: `notFound`, `invalidArgument`.
    @discardableResult
    public func tag(_ reference: String, as name: String) throws -> VMImage {
        let name = try Self.newName(name)
        return try change { index in
            guard let entry = Self.entry(reference, in: index, prefixes: true) else { throw Self.absent(reference) }
            index.name(entry.id, name)
            return try image(index.entry(id: entry.id) ?? entry)
        }
    }

    /// What everything in the store takes of its file system, and how many files that is.
    public func usage() throws -> DiskUsage {
        guard FilePlaces.exists(layout.directory) else { return DiskUsage() }
        return try DirectoryHandle.open(layout.directory).usage()
    }

    // MARK: Steps

    /// Changes the index while nobody else does.
    func change<Result>(_ body: (inout StoreIndex) throws -> Result) throws -> Result {
        try layout.make()
        return try StoreLock.with(layout.lock) {
            var index = try StoreIndex.read(layout.index)
            let before = index
            let result = try body(&index)
            if index != before { try index.write(to: layout.index) }
            return result
        }
    }

    static func entry(_ reference: String, in index: StoreIndex, prefixes: Bool) -> StoreIndex.Entry? {
        if ImageReference.isID(reference) { return index.entry(id: "sha256:" + StoreLayout.hex(reference)) }
        if let parsed = try? ImageReference(parsing: reference) {
            if let digest = parsed.digest {
                let name = parsed.canonicalName
                return index.entry(published: digest).flatMap { entry in
                    entry.names.contains { Self.repository(of: $0) == name } ? entry : nil
                }
            }
            if let entry = index.entry(name: parsed.canonical) { return entry }
        }
        let digits = StoreLayout.hex(reference)
        guard prefixes, digits.utf8.count >= 4,
            digits.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else { return nil }
        let found = index.images.filter { $0.id.hasPrefix("sha256:" + digits) }
        return found.count == 1 ? found[0] : nil
    }

    /// A canonical name without its tag.
    static func repository(of name: String) -> String {
        if let at = name.firstIndex(of: "@") { return String(name[..<at]) }
        guard let colon = name.lastIndex(of: ":") else { return name }
        return String(name[..<colon])
    }

    /// - Throws: `invalidArgument` for what cannot name a new image.
    static func newName(_ text: String) throws -> String {
        let reference: ImageReference
        do {
            reference = try ImageReference(parsing: text)
        } catch let error as RegistryError {
            throw VMImageError(.invalidArgument, error.message)
        }
        guard reference.digest == nil, !ImageReference.isID(text) else {
            throw VMImageError(
                .invalidArgument, "\"\(text)\" cannot be a new image's name: write [REGISTRY/]NAME[:TAG]")
        }
        return reference.canonical
    }

    static func absent(_ reference: String) -> VMImageError {
        VMImageError(.notFound, "there is no VM image \(reference) here; cri-shim image ls shows those there are")
    }

    func image(_ entry: StoreIndex.Entry) throws -> VMImage {
        let contents = try contents(entry)
        let names = entry.names.map { name in (try? ImageReference(parsing: name))?.familiar ?? name }
        let repositories = names.map(Self.repository)
        return VMImage(
            id: entry.id, names: names.filter { !$0.contains("@") },
            digests: Set(repositories).sorted().map { "\($0)@\(entry.id)" },
            config: contents.config, size: entry.size, importedAt: entry.importedAt,
            wasPulled: entry.contents != nil, isPinned: entry.pins != nil, isWhole: entry.isWhole)
    }

    /// What an image's blobs say.
    /// - Throws: `notFound` when it was removed, `badRecord`, `newerRecord`.
    func contents(_ entry: StoreIndex.Entry) throws -> Contents {
        let id = entry.id
        if let contents = known.withLock({ $0[id] }) { return contents }
        let manifest: Manifest = try decode(entry.contents ?? id, of: id)
        let config: VMImageConfig = try decode(manifest.config.digest, of: id)
        guard config.schema <= VMImageConfig.schema else {
            throw VMImageError(
                .newerRecord, "image \(id) was made for a newer version of this program (layout \(config.schema))")
        }
        let contents = Contents(manifest: manifest, config: config)
        if let name = contents.names.first(where: { !ImageReference.isDigest($0) }) {
            throw VMImageError(
                .badRecord,
                "image \(id) names a file \"\(name)\", which is no digest: remove the image, it is not to be trusted")
        }
        known.withLock { $0[id] = contents }
        return contents
    }

    func forget(_ ids: Set<String>) {
        known.withLock { known in for id in ids { known[id] = nil } }
    }

    private func decode<Value: Decodable>(_ digest: String, of image: String) throws -> Value {
        guard let bytes = try FilePlaces.contents(of: layout.blob(digest), limit: 4 << 20) else {
            throw VMImageError(.notFound, "the blob \(digest) of image \(image) is not in \(layout.blobs)")
        }
        guard "sha256:" + SHA256.hex(of: bytes) == digest else {
            throw VMImageError(
                .badRecord, "the blob \(digest) of image \(image) is damaged: remove the image and import it again")
        }
        do {
            return try JSONDecoder().decode(Value.self, from: Data(bytes))
        } catch {
            throw VMImageError(.badRecord, "image \(image) cannot be understood: remove it", cause: error)
        }
    }
}
