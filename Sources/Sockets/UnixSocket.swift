#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Who may connect to a unix socket.
public struct UnixSocketOptions: Sendable {
    /// The file's permissions; 0660 when a group is named.
    public var mode: UInt16
    /// The group that may connect as well; nil for the owner alone.
    public var group: String?

    public init(mode: UInt16 = 0o600, group: String? = nil) {
        self.mode = group == nil ? mode : 0o660
        self.group = group
    }
}

/// The rules every unix socket of ours follows: one server per path, no wider open than meant, nothing of others removed.
enum UnixSocket {
    /// `sun_path` less its terminating NUL. The smallest of the systems we run on would be macOS's 103.
    static var longestPath: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

    /// Checks that a server may be bound at `path` and makes its directory (0700) when there is none.
    static func prepare(_ path: String) throws(SocketError) {
        guard path.hasPrefix("/") else {
            throw SocketError(.invalidArgument, "the socket path \"\(path)\" is not absolute: write it from the root")
        }
        // It is bound under a name beside its own, which may be a little longer.
        let needed = max(path.utf8.count, temporaryPath(beside: path, random: 0).utf8.count)
        guard needed <= longestPath else {
            throw SocketError(
                .invalidArgument,
                "the socket path \(path) is too long for this system: \(needed) of at most \(longestPath) bytes; choose a shorter directory")
        }
        try makeDirectory(parent(of: path))
        var status = stat()
        guard lstat(path, &status) == 0 else {
            guard errno == ENOENT else { throw failure("look at the socket \(path)") }
            return
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SocketError(.invalidArgument, "\(path) exists and is no socket: remove it or choose another path")
        }
    }

    static func parent(of path: String) -> String {
        let end = path.lastIndex(of: "/") ?? path.startIndex
        return end == path.startIndex ? "/" : String(path[..<end])
    }

    static func temporaryPath(beside path: String, random: UInt32) -> String {
        let name = String(random, radix: 36)
        return parent(of: path) + "/." + String(repeating: "0", count: max(0, 7 - name.count)) + name
    }

    private static func makeDirectory(_ path: String) throws(SocketError) {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFDIR else {
                throw SocketError(.invalidArgument, "\(path) is no directory: no socket can be made in it")
            }
            return
        }
        guard errno == ENOENT else { throw failure("look at the directory \(path)") }
        try makeDirectory(parent(of: path))
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failure("make the directory \(path)") }
    }

    /// Gives the socket its group and mode, then its name: from the first moment it can be found, it is as it should be.
    static func publish(_ temporary: String, as path: String, _ options: UnixSocketOptions) throws(SocketError) {
        if let group = options.group {
            guard let entry = getgrnam(group) else {
                throw SocketError(.invalidArgument, "there is no group \"\(group)\" to give the socket \(path) to")
            }
            guard chown(temporary, uid_t.max, entry.pointee.gr_gid) == 0 else { throw failure("give the socket \(path) to the group \(group)") }
        }
        guard chmod(temporary, mode_t(options.mode)) == 0 else { throw failure("set the permissions of the socket \(path)") }
        guard rename(temporary, path) == 0 else { throw failure("put the socket in place at \(path)") }
    }

    static func failure(_ what: String) -> SocketError {
        SocketError(.failed, "cannot \(what): \(String(cString: strerror(errno)))")
    }
}

/// Which file a path names, whatever happens to the name later.
struct FileIdentity: Equatable {
    private let device: UInt64
    private let inode: UInt64

    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
