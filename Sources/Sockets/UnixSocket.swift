#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The rules for the path of a unix socket.
public enum UnixSocket {
    /// Longest path, in bytes, that fits into a socket address of this platform: 107 on Linux, 103 on macOS.
    public static var maximumPathLength: Int { MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1 }

    /// Refuses a path no socket can be bound to, so that configurations fail at start and not at first use.
    ///
    /// - Throws: `SocketError.Code.invalidArgument` for a relative, empty, too long or NUL-holding path.
    public static func checkPath(_ path: String) throws(SocketError) {
        guard path.hasPrefix("/"), !path.hasSuffix("/"), !path.utf8.contains(0) else {
            throw SocketError(
                .invalidArgument, "\"\(path)\" is no path for a unix socket: write an absolute path of a file")
        }
        let length = path.utf8.count
        guard length <= maximumPathLength else {
            throw SocketError(
                .invalidArgument,
                "the path of the unix socket \(path) has \(length) bytes; this system takes \(maximumPathLength). "
                    + "Choose a shorter directory")
        }
    }

    /// Calls `body` with the socket address of `path`, which passed `checkPath`.
    static func withAddress<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}

/// The text of an `errno`.
struct SystemError: Error, CustomStringConvertible {
    let code: CInt
    var description: String { String(cString: strerror(code)) }
}
