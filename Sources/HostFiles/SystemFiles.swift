#if canImport(Glibc)
public import Glibc
#else
public import Darwin
#endif

/// Files by paths that are trusted, with errors that say what was attempted. All of it blocks.
public enum SystemFiles {
    /// What the last system call said.
    static func failure(_ attempt: String, _ path: String, _ code: Int32 = errno) -> HostFilesError {
        HostFilesError(.failed, "cannot \(attempt) \(path): \(String(cString: strerror(code)))")
    }

    /// What is at a path, links followed.
    /// - Returns: `nil` when nothing is there.
    public static func status(_ path: String) throws(HostFilesError) -> stat? {
        var info = stat()
        if stat(path, &info) == 0 { return info }
        let code = errno
        if code == ENOENT || code == ENOTDIR { return nil }
        throw failure("look at", path, code)
    }

    /// Makes a directory and those above it. One that is there already stays as it is.
    /// - Returns: whether it was made now.
    @discardableResult
    public static func makeDirectories(_ path: String, mode: mode_t) throws(HostFilesError) -> Bool {
        if mkdir(path, mode) == 0 { return true }
        let code = errno
        if code == EEXIST, let info = try status(path) {
            if info.isDirectory { return false }
            throw failure("make directory", path, ENOTDIR)
        }
        guard code == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw failure("make directory", path, code)
        }
        try makeDirectories(String(path[..<slash]), mode: mode)
        guard mkdir(path, mode) == 0 || errno == EEXIST else { throw failure("make directory", path) }
        return true
    }

    /// The path with all links resolved.
    public static func realPath(_ path: String) throws(HostFilesError) -> String {
        guard let resolved = realpath(path, nil) else { throw failure("resolve", path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// At most `limit` bytes of a regular file; `nil` when nothing is there. A link is not followed.
    public static func read(_ path: String, limit: Int) throws(HostFilesError) -> [UInt8]? {
        let descriptor = systemOpen(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open", path)
        }
        defer { _ = systemClose(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.isRegularFile else {
            throw HostFilesError(.failed, "cannot read \(path): it is no regular file")
        }
        do {
            return try Files.read(descriptor, at: 0, count: limit)
        } catch {
            throw HostFilesError(.failed, "cannot read \(path)", cause: error)
        }
    }

    /// Writes a file whole: what is there keeps its inode, because containers have it mounted.
    public static func write(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(HostFilesError) {
        let descriptor = systemOpen(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { _ = systemClose(descriptor) }
        guard fchmod(descriptor, mode) == 0 else { throw failure("set the mode of", path) }
        do {
            try AtomicFile.write(bytes, to: descriptor, path)
        } catch {
            throw HostFilesError(.failed, "cannot write \(path)", cause: error)
        }
    }

    /// Removes a directory with everything a pod put into it; nothing there is fine. Links are removed, not followed.
    /// - Throws: also when something is mounted below; then nothing is removed.
    public static func removeTree(_ path: String) throws(HostFilesError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw HostFilesError(.invalidArgument, "\(path) cannot be removed")
        }
        let parent = String(path[..<slash])
        guard try status(parent) != nil else { return }
        do {
            try DirectoryHandle.open(parent).remove(String(path[path.index(after: slash)...]))
        } catch {
            throw HostFilesError(.failed, "cannot remove \(path)", cause: error)
        }
    }

    /// The names in an open directory; the descriptor stays the caller's.
    public static func names(in descriptor: Int32, path: String) throws(HostFilesError) -> [String] {
        let copy = systemOpenAt(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard copy >= 0 else { throw failure("open", path) }
        guard let stream = fdopendir(copy) else {
            let code = errno
            _ = systemClose(copy)
            throw failure("list", path, code)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { throw failure("list", path) }
                return names
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }
}

/// What kind of file it is.
extension stat {
    private var kind: mode_t { st_mode & S_IFMT }
    public var isDirectory: Bool { kind == S_IFDIR }
    public var isRegularFile: Bool { kind == S_IFREG }
    public var isSocket: Bool { kind == S_IFSOCK }
    public var isCharacterDevice: Bool { kind == S_IFCHR }
    public var isBlockDevice: Bool { kind == S_IFBLK }
    public var isLink: Bool { kind == S_IFLNK }
}
