#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A unix socket bound, protected and listening, with the lock that keeps every other server of ours off its path.
///
/// Blocks: call it from a thread that may. Owns the lock's descriptor; the socket's descriptor goes to the channel.
struct UnixListener {
    let path: String
    /// Listening and non-blocking. Owned by the channel as soon as there is one.
    let descriptor: CInt
    private let lock: CInt
    private let identity: FileIdentity

    /// Backlog of waiting connections, NIO's own default being the same.
    private static let backlog: CInt = 256
    /// How long a server may take to answer the probe before it counts as alive and busy.
    static let probeMilliseconds: CInt = 500

    static func open(path: String, options: UnixSocketOptions) throws(SocketError) -> UnixListener {
        try UnixSocket.checkPath(path)
        let group: gid_t? = if let name = options.group { try groupID(name, for: path) } else { nil }
        try makeParent(of: path)
        _ = try socketIsThere(path)
        let lock = try takeLock(path)
        do throws(SocketError) {
            try clear(path)
            let (descriptor, identity) = try bind(path, mode: mode_t(options.mode), group: group)
            return UnixListener(path: path, descriptor: descriptor, lock: lock, identity: identity)
        } catch {
            _ = close(lock)
            throw error
        }
    }

    /// Removes the socket file if it is still the one bound here, and lets the lock go.
    ///
    /// Best before the socket is closed: while it is open its inode number cannot be reused.
    func release() {
        if FileIdentity(path) == identity { _ = unlink(path) }
        // Said aloud: a child process on its way to exec may still have a copy of the descriptor.
        _ = flock(lock, LOCK_UN)
        _ = close(lock)
    }

    // MARK: Steps

    /// Creates the missing directories above `path`, for this user only.
    private static func makeParent(of path: String) throws(SocketError) {
        var missing: [String] = []
        var parent = path
        while true {
            guard let slash = parent.lastIndex(of: "/"), slash != parent.startIndex else { break }
            parent = String(parent[..<slash])
            var status = stat()
            if stat(parent, &status) == 0 {
                guard status.st_mode & S_IFMT == S_IFDIR else {
                    throw SocketError(.invalidArgument, "cannot bind \(path): \(parent) is not a directory")
                }
                break
            }
            let code = errno
            guard code == ENOENT || code == ENOTDIR else {
                throw failure("cannot bind \(path): cannot look at \(parent)", code)
            }
            missing.append(parent)
        }
        for directory in missing.reversed() where mkdir(directory, 0o700) != 0 {
            let code = errno
            guard code == EEXIST else {
                throw failure("cannot bind \(path): cannot create the directory \(directory)", code)
            }
        }
    }

    /// Locks `path.lock` for as long as the descriptor is open. The file stays: removing it would let two win.
    private static func takeLock(_ path: String) throws(SocketError) -> CInt {
        let name = path + ".lock"
        for _ in 0..<16 {
            let descriptor = Self.openFile(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else {
                throw failure("cannot bind \(path): cannot open its lock \(name)", errno)
            }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                let code = errno
                _ = close(descriptor)
                if code == EINTR { continue }
                if code == EWOULDBLOCK { throw running(path) }
                throw failure("cannot bind \(path): cannot lock \(name)", code)
            }
            // Somebody may have removed the file between the two calls: then another could lock a new one.
            if let mine = FileIdentity(descriptor: descriptor), mine == FileIdentity(name) { return descriptor }
            _ = close(descriptor)
        }
        throw SocketError(.unavailable, "cannot bind \(path): its lock \(name) is being replaced by somebody")
    }

    /// Whether the path is taken by a socket. Throws when something else is there.
    private static func socketIsThere(_ path: String) throws(SocketError) -> Bool {
        var status = stat()
        guard lstat(path, &status) == 0 else {
            let code = errno
            if code == ENOENT { return false }
            throw failure("cannot bind \(path): cannot look at it", code)
        }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw SocketError(
                .invalidArgument,
                "cannot bind \(path): there is a file that is not a socket. Remove it or choose another path")
        }
        return true
    }

    /// Makes the path free: nothing there, or a socket nobody listens on.
    private static func clear(_ path: String) throws(SocketError) {
        guard try socketIsThere(path) else { return }
        switch probe(path) {
        case .absent: return
        case .alive: throw running(path)
        case .unknown(let code): throw failure("cannot bind \(path): cannot tell whether its server is alive", code)
        case .stale:
            guard unlink(path) == 0 || errno == ENOENT else {
                throw failure("cannot bind \(path): cannot remove the stale socket", errno)
            }
        }
    }

    private static func bind(_ path: String, mode: mode_t, group: gid_t?) throws(SocketError) -> (CInt, FileIdentity) {
        let descriptor = makeSocket()
        guard descriptor >= 0 else { throw failure("cannot bind \(path): cannot open a socket", errno) }
        var bound: FileIdentity?
        do throws(SocketError) {
            guard UnixSocket.withAddress(path, { bindSocket(descriptor, $0, $1) }) == 0 else {
                throw failure("cannot bind \(path)", errno)
            }
            bound = FileIdentity(path)
            guard let bound else { throw failure("cannot bind \(path): the socket vanished", ENOENT) }
            // Nobody can connect before listen(), so whatever the umask left open was open to nobody.
            if let group, chown(path, uid_t.max, group) != 0 {
                throw failure("cannot give the socket \(path) to group \(group)", errno)
            }
            guard chmod(path, mode) == 0 else { throw failure("cannot set the mode of the socket \(path)", errno) }
            guard listen(descriptor, backlog) == 0 else { throw failure("cannot listen on \(path)", errno) }
            return (descriptor, bound)
        } catch {
            if let bound, FileIdentity(path) == bound { _ = unlink(path) }
            _ = close(descriptor)
            throw error
        }
    }

    private static func groupID(_ name: String, for path: String) throws(SocketError) -> gid_t {
        if let number = gid_t(name) { return number }
        var entry = group()
        var found: UnsafeMutablePointer<group>?
        var buffer = [CChar](repeating: 0, count: 64 * 1024)
        let code = getgrnam_r(name, &entry, &buffer, buffer.count, &found)
        guard code == 0 else { throw failure("cannot bind \(path): cannot look up the group \"\(name)\"", code) }
        guard found != nil else {
            throw SocketError(.invalidArgument, "cannot bind \(path): there is no group \"\(name)\"")
        }
        return entry.gr_gid
    }

    private static func running(_ path: String) -> SocketError {
        SocketError(
            .unavailable, "another instance is running at \(path): stop it first, or choose another socket")
    }

    private static func failure(_ message: String, _ code: CInt) -> SocketError {
        SocketError(.failed, message, cause: SystemError(code: code))
    }
}
