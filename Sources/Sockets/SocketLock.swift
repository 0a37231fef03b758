import Synchronization

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// Held as long as a server serves at a path, so that of two that start together one loses. The system lets go of it
/// when the process ends, however it ends; the file stays.
final class SocketLock: Sendable {
    private let descriptor: Int32
    private let isReleased = Atomic(false)

    /// - Throws: when another process holds the lock.
    init(_ socketPath: String) throws(SocketError) {
        let path = socketPath + ".lock"
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw UnixSocket.failure("open \(path)") }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let busy = errno == EWOULDBLOCK
            let failure = UnixSocket.failure("lock \(path)")
            close(descriptor)
            throw busy ? SocketLock.taken(socketPath) : failure
        }
    }

    static func taken(_ path: String) -> SocketError {
        SocketError(
            .unavailable, "another instance is running at \(path): stop it first, or choose another socket with --listen")
    }

    func release() {
        if !isReleased.exchange(true, ordering: .relaxed) { close(descriptor) }
    }

    deinit { release() }
}
