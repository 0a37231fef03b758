import HostFiles
import Synchronization

/// What a pull has brought so far: a directory named by the manifest, so that a later try goes on with it. Its lock says that
/// somebody is at it. Everything blocks.
///
/// ```
/// staging/pull-HEX/lock, journal, disk-NUMBER, blob-HEX, source.json, trouble.json
/// ```
final class PullStaging: Sendable {
    static let prefix = "pull-"
    let directory: String
    let journal: PullJournal
    /// What an earlier try left.
    let entries: [PullJournal.Entry]
    /// Disks of which not all may have got to disk that whoever was at it before wrote.
    private let unsynced: Mutex<Set<Int>>
    private let lock: OpenFile

    /// - Returns: nil while another process, or another task of this one, pulls the same image.
    static func open(_ layout: StoreLayout, manifest digest: String) throws -> PullStaging? {
        try layout.make()
        // Under the lock of the store, so that no collection takes the directory away in between.
        return try StoreLock.with(layout.lock) {
            let directory = "\(layout.staging)/\(prefix)\(StoreLayout.hex(digest))"
            try Directories.make(directory, mode: 0o700)
            let lock = try OpenFile.locking(directory + "/lock")
            guard try lock.tryLock() else { return nil }
            // Whoever was at it before had it.
            try FilePlaces.remove(directory + troubleName)
            return try PullStaging(directory, lock)
        }
    }

    private init(_ directory: String, _ lock: OpenFile) throws {
        self.directory = directory
        self.lock = lock
        var found: [PullJournal.Entry]
        (journal, found) = try PullJournal.open(directory + "/journal", boot: try BootIdentity.read())
        var unsure: Set<Int> = []
        for entry in found.dropFirst(journal.synced) {
            switch entry {
            case .frame(let disk, _, _), .layer(let disk, _): unsure.insert(disk)
            case .file: break  // these are on disk before they are entered
            }
        }
        // Files that are not there are not there, whatever is written.
        var disks: [Int: Bool] = [:]
        let place = directory
        func has(_ disk: Int) -> Bool {
            if let known = disks[disk] { return known }
            disks[disk] = FilePlaces.exists("\(place)/disk-\(disk)")
            return disks[disk] ?? false
        }
        found = found.filter { entry in
            switch entry {
            case .frame(let disk, _, _), .layer(let disk, _): has(disk)
            case .file(let digest): FilePlaces.exists("\(place)/blob-\(digest)")
            }
        }
        entries = found
        unsynced = Mutex(unsure.filter { has($0) })
    }

    /// Brings what was written, also before us, and then the word that it is there, to disk. Blocks.
    func sync(_ disks: [OpenFile]) throws {
        for number in unsynced.withLock({ $0 }) {
            try OpenFile.reading(disk(number)).sync()
            unsynced.withLock { _ = $0.remove(number) }
        }
        try journal.sync(disks)
    }

    /// What is there of a disk.
    static func frames(of disk: Int, in entries: [PullJournal.Entry]) -> [Int64: String] {
        var known: [Int64: String] = [:]
        for case .frame(disk, let offset, let digest) in entries { known[offset] = digest }
        return known
    }

    func disk(_ number: Int) -> String { "\(directory)/disk-\(number)" }
    func blob(_ digest: String) -> String { "\(directory)/blob-\(StoreLayout.hex(digest))" }

    // MARK: Trouble

    private static let troubleName = "/trouble.json"

    private struct Trouble: Codable {
        var code: String
        var message: String
    }

    /// Tells those who wait for what keeps it from coming; nil when nothing does any more.
    func note(_ error: (any Error)?) throws {
        let path = directory + Self.troubleName
        guard let error else { return try FilePlaces.remove(path) }
        let code = (error as? VMImageError)?.code ?? .failed
        let trouble = Trouble(code: code.description, message: String("\(error)".prefix(2000)))
        try AtomicFile.write(try JSONText.bytes(trouble), to: path, mode: 0o600)
    }

    /// What whoever is at it says keeps it from coming.
    static func trouble(_ layout: StoreLayout, manifest digest: String) throws -> VMImageError? {
        let path = "\(layout.staging)/\(prefix)\(StoreLayout.hex(digest))\(troubleName)"
        guard let bytes = try FilePlaces.contents(of: path, limit: 64 << 10) else { return nil }
        let said = try JSONText.value(Trouble.self, bytes, path)
        let code = [VMImageError.Code.corrupt, .noSpace].first { $0.description == said.code } ?? .failed
        return VMImageError(code, said.message)
    }

    /// Takes everything away. Call it with the store's lock held, or as its only user.
    func remove() throws { try Staging.remove(directory) }

    /// How long ago something was last added to what an earlier pull left, in seconds; nil for none.
    static func age(_ directory: String, now: Int64) throws -> Int64? {
        guard FilePlaces.exists(directory + "/journal") else { return nil }
        return max(0, now - Int64(try OpenFile.reading(directory + "/journal").facts().modified))
    }
}
