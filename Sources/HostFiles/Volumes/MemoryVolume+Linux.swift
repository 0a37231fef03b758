#if os(Linux)
import Glibc

/// Volumes in memory: a tmpfs mounted on the volume's directory.
enum MemoryVolume {
    /// Mounts one, unless there is one.
    /// - Parameter size: in bytes; nil is the system's half of the memory.
    /// - Returns: false where this process may not mount: the directory on disk then serves.
    static func mount(on directory: DirectoryHandle, at path: String, size: UInt64?) throws -> Bool {
        guard geteuid() == 0 else { return false }
        if try isMounted(directory) { return true }
        var options = "mode=0700"
        // Whole pages; 0 would be no limit.
        if let size { options += ",size=\(max(size, 4096))" }
        // By the descriptor: nothing can take the directory's place meanwhile.
        let place = "/proc/self/fd/\(directory.descriptor)"
        let flags = UInt(MS_NOSUID) | UInt(MS_NODEV)
        let result = withExtendedLifetime(directory) {
            options.withCString { Glibc.mount("tmpfs", place, "tmpfs", flags, $0) }
        }
        if result == 0 { return true }
        if errno == EPERM { return false }
        throw HostFilesError.system("mount memory on \(path)")
    }

    /// Takes a mount away from a path, if it is one of ours.
    static func unmount(_ path: String) throws {
        guard
            umount2(path, Int32(UMOUNT_NOFOLLOW) | Int32(MNT_DETACH)) == 0 || errno == EINVAL
                || errno == ENOENT
        else { throw HostFilesError.system("unmount \(path)") }
    }

    /// Whether something is mounted there already: nobody but this does so.
    private static func isMounted(_ directory: DirectoryHandle) throws -> Bool {
        var (here, above) = (stat(), stat())
        guard fstat(directory.descriptor, &here) == 0, fstatat(directory.descriptor, "..", &above, 0) == 0 else {
            throw HostFilesError.system("look at \(directory.path)")
        }
        return here.st_dev != above.st_dev
    }
}
#endif
