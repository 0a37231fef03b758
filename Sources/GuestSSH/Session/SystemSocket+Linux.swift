#if os(Linux)
import Glibc

/// What differs between the systems' sockets.
enum SystemSocket {
    static let stream = Int32(SOCK_STREAM.rawValue)
    /// A peer that is gone is an error, not a signal.
    static let sendFlags = Int32(MSG_NOSIGNAL)

    static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }

    static let noDelay = (level: Int32(IPPROTO_TCP), option: TCP_NODELAY)
}
#endif
