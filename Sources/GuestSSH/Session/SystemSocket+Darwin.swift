#if canImport(Darwin)
import Darwin

/// What differs between the systems' sockets.
enum SystemSocket {
    static let stream = SOCK_STREAM
    static let sendFlags: Int32 = 0

    static func prepare(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        // A peer that is gone is an error, not a signal.
        var on: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    static let noDelay = (level: IPPROTO_TCP, option: TCP_NODELAY)
}
#endif
