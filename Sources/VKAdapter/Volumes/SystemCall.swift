import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// POSIX file calls with errors that say what was attempted.
enum SystemCall {
    static func failure(_ attempt: String, _ path: String, _ code: Int32 = errno) -> AdapterError {
        AdapterError(.failed, "cannot \(attempt) \(path): \(String(cString: strerror(code)))")
    }

    /// What is at a path, links followed.
    /// - Returns: `nil` when nothing is there.
    static func status(_ path: String) throws(AdapterError) -> stat? {
        var info = stat()
        if stat(path, &info) == 0 { return info }
        let code = errno
        if code == ENOENT || code == ENOTDIR { return nil }
        throw failure("look at", path, code)
    }

    /// Makes a directory and those above it. One that is there already stays as it is.
    /// - Returns: whether it was made now.
    @discardableResult
    static func makeDirectories(_ path: String, mode: mode_t) throws(AdapterError) -> Bool {
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

    static func setMode(_ path: String, _ mode: mode_t) throws(AdapterError) {
        guard chmod(path, mode) == 0 else { throw failure("set the mode of", path) }
    }

    /// The path with all links resolved.
    static func realPath(_ path: String) throws(AdapterError) -> String {
        guard let resolved = realpath(path, nil) else { throw failure("resolve", path) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// At most `limit` bytes of a regular file; `nil` when nothing is there. A link is not followed.
    static func read(_ path: String, limit: Int) throws(AdapterError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw failure("open", path)
        }
        defer { close(descriptor) }
        var info = stat()
        guard fstat(descriptor, &info) == 0, info.isRegularFile else {
            throw AdapterError(.failed, "cannot read \(path): it is no regular file")
        }
        var bytes = [UInt8](repeating: 0, count: limit)
        var count = 0
        while count < limit {
            let got = bytes[count...].withUnsafeMutableBytes {
                #if canImport(Glibc)
                Glibc.read(descriptor, $0.baseAddress, $0.count)
                #else
                Darwin.read(descriptor, $0.baseAddress, $0.count)
                #endif
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw failure("read", path) }
            if got == 0 { break }
            count += got
        }
        return Array(bytes[..<count])
    }

    /// Writes a file whole: what is there keeps its inode, because containers have it mounted.
    static func write(_ path: String, _ bytes: [UInt8], mode: mode_t) throws(AdapterError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw failure("write", path) }
        defer { close(descriptor) }
        guard fchmod(descriptor, mode) == 0 else { throw failure("set the mode of", path) }
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes {
                #if canImport(Glibc)
                Glibc.write(descriptor, $0.baseAddress, $0.count)
                #else
                Darwin.write(descriptor, $0.baseAddress, $0.count)
                #endif
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure("write", path) }
            rest = rest.dropFirst(count)
        }
    }

    /// Removes a directory with everything a pod put into it; nothing there is fine. Links are removed, not followed.
    /// - Throws: also when something is mounted below; then nothing is removed.
    static func removeTree(_ path: String) throws(AdapterError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else {
            throw AdapterError(.invalidArgument, "\(path) cannot be removed")
        }
        let parent = String(path[..<slash])
        guard try status(parent) != nil else { return }
        do {
            try DirectoryHandle.open(parent).remove(String(path[path.index(after: slash)...]))
        } catch {
            throw AdapterError(.failed, "cannot remove \(path)", cause: error)
        }
    }

    /// The names in an open directory; the descriptor stays the caller's.
    static func names(in descriptor: Int32, path: String) throws(AdapterError) -> [String] {
        let copy = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard copy >= 0 else { throw failure("open", path) }
        guard let stream = fdopendir(copy) else {
            let code = errno
            close(copy)
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

typealias FileStatus = stat

extension FileStatus {
    private var kind: mode_t { st_mode & S_IFMT }
    var isDirectory: Bool { kind == S_IFDIR }
    var isRegularFile: Bool { kind == S_IFREG }
    var isSocket: Bool { kind == S_IFSOCK }
    var isCharacterDevice: Bool { kind == S_IFCHR }
    var isBlockDevice: Bool { kind == S_IFBLK }
    var isLink: Bool { kind == S_IFLNK }
}
