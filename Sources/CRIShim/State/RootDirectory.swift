import HostFiles
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The directory that holds what must outlive this process: the instance id, `sandboxes/<id>/config.json`, and log
/// cursors. One process at a time uses it.
final class RootDirectory: Sendable {
    let path: String
    /// Marks Docker objects as ours; made once per directory.
    let instance: String
    private let lock: Int32

    /// Creates the directory if it is absent, and takes it for this process.
    /// - Throws: `unavailable` when another process has it; `failed` when it cannot be made or written.
    init(path: String) throws {
        self.path = path
        try Self.makeDirectory(path, mode: 0o700)
        try Self.makeDirectory(path + "/sandboxes", mode: 0o700)
        lock = try Self.takeLock(path + "/lock")
        do {
            instance = try Self.instance(at: path + "/instance")
        } catch {
            close(lock)
            throw error
        }
    }

    deinit {
        // A child that is being started has the descriptor as well for a moment, and would keep the lock.
        flock(lock, LOCK_UN)
        close(lock)
    }

    /// Where a sandbox keeps its files.
    func sandboxDirectory(_ id: String) -> String { "\(path)/sandboxes/\(id)" }

    /// Where a container keeps its log cursor.
    func containerDirectory(_ id: String) -> String { "\(path)/containers/\(id)" }

    // MARK: Records

    /// Every sandbox's record. A directory without one is what a crash left before anything was made, and is removed.
    /// - Throws: `newerRecord`, `corruptRecord`: the caller must not go on, or it would take running pods for leftovers.
    func load() throws -> [SandboxRecord] {
        try Self.entries(of: path + "/sandboxes").compactMap { id in
            let place = sandboxDirectory(id) + "/config.json"
            guard let bytes = try Self.read(place) else {
                try Self.removeTree(sandboxDirectory(id))
                return nil
            }
            let record = try RecordCoding.decode(
                SandboxRecord.self, schema: SandboxRecord.schema, from: bytes, place: place)
            guard record.id == id else {
                throw ShimError(.corruptRecord, "\(place) describes sandbox \(record.id): move it away to go on")
            }
            return record
        }
    }

    func save(_ record: SandboxRecord) async throws {
        let bytes = try RecordCoding.encode(record)
        let directory = sandboxDirectory(record.id)
        try await Self.offload {
            try Self.makeDirectory(directory, mode: 0o700)
            try AtomicFile.write(bytes, to: directory + "/config.json", mode: 0o600)
        }
    }

    func hasRecord(of id: String) async throws -> Bool {
        let place = sandboxDirectory(id) + "/config.json"
        return try await Self.offload { access(place, F_OK) == 0 }
    }

    func removeSandbox(_ id: String) async throws {
        let directory = sandboxDirectory(id)
        try await Self.offload { try Self.removeTree(directory) }
    }

    func removeContainer(_ id: String) async throws {
        let directory = containerDirectory(id)
        try await Self.offload { try Self.removeTree(directory) }
    }

    /// The ids of containers that keep files here.
    func containerDirectories() throws -> [String] {
        try Self.entries(of: path + "/containers")
    }

    // MARK: Files

    /// Runs blocking work on a thread of its own kind.
    static func offload<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await NIOThreadPool.singleton.runIfActive(body)
    }

    /// Makes a directory and those above it.
    static func makeDirectory(_ path: String, mode: mode_t) throws {
        if mkdir(path, mode) == 0 { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]), mode: mode)
            if mkdir(path, mode) == 0 { return }
        }
        let code = errno
        var status = stat()
        if code == EEXIST, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR { return }
        throw failure("making the directory \(path)", code == EEXIST ? ENOTDIR : code)
    }

    static func failure(_ what: String, _ code: Int32) -> ShimError {
        ShimError(
            code == ENOSPC || code == EDQUOT ? .exhausted : .failed,
            "\(what) failed: \(String(cString: strerror(code)))")
    }

    private static func takeLock(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw failure("opening \(path)", errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else { throw failure("locking \(path)", code) }
            throw ShimError(
                .unavailable, "another cri-shim is using \(path): stop it, or give this one a --root of its own")
        }
        return descriptor
    }

    private static func instance(at path: String) throws -> String {
        if let bytes = try read(path) {
            let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            guard text.utf8.count >= 16, text.allSatisfy(\.isHexDigit) else {
                throw ShimError(.corruptRecord, "\(path) holds no instance id: restore it, or move the directory away")
            }
            return text
        }
        let made = Identifiers.hex(32)
        try AtomicFile.write(Array((made + "\n").utf8), to: path, mode: 0o600)
        return made
    }

    /// The file's bytes; nil when there is none.
    static func read(_ path: String) throws -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("opening \(path)", errno)
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let got = chunk.withUnsafeMutableBytes { platformRead(descriptor, $0) }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure("reading \(path)", errno) }
            if got == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<got])
        }
    }

    private static func platformRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
        #if canImport(Glibc)
        Glibc.read(descriptor, buffer.baseAddress, buffer.count)
        #else
        Darwin.read(descriptor, buffer.baseAddress, buffer.count)
        #endif
    }

    /// The names in a directory; none when it does not exist.
    static func entries(of path: String) throws -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw failure("listing \(path)", errno)
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Removes a directory of ours with the files and directories in it; nothing when it does not exist.
    static func removeTree(_ path: String) throws {
        if unlink(path) == 0 || errno == ENOENT { return }
        for name in try entries(of: path) { try removeTree(path + "/" + name) }
        guard rmdir(path) == 0 || errno == ENOENT else { throw failure("removing \(path)", errno) }
    }
}
