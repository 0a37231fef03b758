import CSpawn

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Network namespaces that a file stands for, as ``ProcessRequest/networkNamespace`` takes them. Linux; elsewhere
/// ``isPossible`` is false and the rest throws.
public enum NetworkNamespace {
    /// Whether this process may make them and change the network in them.
    public static var isPossible: Bool { SystemProcesses.mayAdministerNetworks }

    /// Makes one and mounts it on a file, which is created. It has nothing but a loopback device, which is up.
    /// - Throws: `ProcessError` with `failed`; nothing is left then.
    public static func make(at path: String) async throws {
        try await onOwnThread {
            let file = Executables.open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC)
            guard file >= 0 else { throw failure("making the file \(path) for a network namespace") }
            close(file)
            guard vz_network_unshare() == 0 else {
                let error = failure("making a network namespace")
                unlink(path)
                throw error
            }
            guard vz_network_loopback() == 0 else {
                let error = failure("bringing up the loopback device of a network namespace")
                unlink(path)
                throw error
            }
            guard vz_network_bind(path) == 0 else {
                let error = failure("mounting a network namespace on \(path)")
                unlink(path)
                throw error
            }
        }
    }

    /// Runs `body` on a thread of its own inside the namespace. `body` may block.
    public static func run<R: Sendable>(
        in path: String, _ body: @escaping @Sendable () throws -> R
    ) async throws -> R {
        try await onOwnThread {
            guard vz_network_enter(path) == 0 else { throw failure("entering the network namespace \(path)") }
            return try body()
        }
    }

    /// Takes the mount off and removes the file; nothing when there is none. Processes inside keep the namespace alive.
    /// Blocks.
    public static func remove(_ path: String) throws {
        // Whatever is mounted there, also more than once. EINVAL: nothing is.
        while vz_unmount(path) == 0 {}
        guard errno == EINVAL || errno == ENOENT else { throw failure("unmounting \(path)") }
        guard unlink(path) == 0 || errno == ENOENT else { throw failure("removing \(path)") }
    }

    /// Whether a network namespace is mounted on the file. Blocks.
    public static func exists(at path: String) -> Bool {
        var (own, other) = (stat(), stat())
        // All namespaces are files of one file system of the kernel's.
        guard stat("/proc/self/ns/net", &own) == 0, stat(path, &other) == 0 else { return false }
        return own.st_dev == other.st_dev
    }

    /// A thread that was in another namespace is not given back to anybody: it ends.
    private static func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detach(name: "namespace") { continuation.resume(with: Result(catching: body)) }
        }
    }

    private static func failure(_ what: String) -> ProcessError {
        let code = errno
        return ProcessError(
            code == ENOENT ? .notFound : .failed, "\(what) failed: \(String(cString: strerror(code)))")
    }
}
