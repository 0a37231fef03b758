import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One supervisor for one bundle: a lock that lasts as long as the process.
struct BundleLock: ~Copyable {
    private let descriptor: Int32

    /// Blocks for a moment.
    /// - Throws: `VZEngineError` with `invalidArgument` when another supervisor has it.
    static func take(_ bundle: MachineBundle) throws(VZEngineError) -> BundleLock {
        let path = bundle.directory + "/lock"
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else {
            throw VZEngineError(.failed, "the lock \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            throw code == EWOULDBLOCK
                ? VZEngineError(.invalidArgument, "another supervisor runs the machine in \(bundle.directory)")
                : VZEngineError(.failed, "\(path) cannot be locked: \(String(cString: strerror(code)))")
        }
        return BundleLock(descriptor: descriptor)
    }

    private init(descriptor: Int32) { self.descriptor = descriptor }

    deinit {
        // Said aloud: a child process on its way to exec may still have a copy of the descriptor.
        _ = flock(descriptor, LOCK_UN)
        close(descriptor)
    }
}
