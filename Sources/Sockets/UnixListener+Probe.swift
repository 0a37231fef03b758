#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

extension UnixListener {
    /// What a connection attempt says about the server of a socket file.
    enum Life {
        case absent, stale, alive
        case unknown(CInt)
    }

    /// Connects without ever waiting longer than `probeMilliseconds`.
    static func probe(_ path: String) -> Life {
        let descriptor = makeSocket()
        guard descriptor >= 0 else { return .unknown(errno) }
        defer { _ = close(descriptor) }
        var code: CInt = 0
        if UnixSocket.withAddress(path, { connect(descriptor, $0, $1) }) != 0 { code = errno }
        if code == EINPROGRESS {
            var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            // No answer in time: somebody holds the socket and is busy.
            guard poll(&waiting, 1, probeMilliseconds) > 0 else { return .alive }
            var size = socklen_t(MemoryLayout<CInt>.size)
            guard getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { return .unknown(errno) }
        }
        switch code {
        case 0, EAGAIN: return .alive  // EAGAIN: its backlog is full
        case ECONNREFUSED: return .stale
        case ENOENT: return .absent
        case EPROTOTYPE: return .alive  // bound, but of another socket type
        default: return .unknown(code)
        }
    }

    /// A non-blocking stream socket that no child process inherits.
    static func makeSocket() -> CInt {
        let descriptor = openStreamSocket()
        guard descriptor >= 0 else { return descriptor }
        guard fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0,
            fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK) == 0
        else {
            let code = errno
            _ = close(descriptor)
            errno = code
            return -1
        }
        return descriptor
    }

    // The static functions of this type shadow the C ones of the same name.
    static func bindSocket(_ descriptor: CInt, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> CInt {
        #if canImport(Glibc)
        Glibc.bind(descriptor, address, length)
        #elseif canImport(Musl)
        Musl.bind(descriptor, address, length)
        #else
        Darwin.bind(descriptor, address, length)
        #endif
    }

    static func openFile(_ path: String, _ flags: CInt, _ mode: mode_t) -> CInt {
        #if canImport(Glibc)
        Glibc.open(path, flags, mode)
        #elseif canImport(Musl)
        Musl.open(path, flags, mode)
        #else
        Darwin.open(path, flags, mode)
        #endif
    }
}

/// Which file a path or descriptor means, whatever it is called.
struct FileIdentity: Equatable {
    private let device: UInt64
    private let inode: UInt64

    init?(_ path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        self.init(status)
    }

    init?(descriptor: CInt) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        self.init(status)
    }

    private init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(status.st_ino)
    }
}
