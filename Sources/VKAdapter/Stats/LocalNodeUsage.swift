import KubeAPI
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// This machine.
struct LocalNodeUsage: NodeUsageSource {
    /// A directory of the file system that is the node's own.
    let root: String
    var pool: NIOThreadPool = .singleton

    func usage() async throws -> NodeUsage {
        let root = root
        return try await pool.runIfActive {
            var usage = NodeUsage(time: .now())
            usage.processors = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
            Self.read(into: &usage)
            usage.rootFileSystem = Self.fileSystem(root)
            return usage
        }
    }

    func fileSystem(at path: String) async throws -> FileSystemUsage? {
        try await pool.runIfActive { Self.fileSystem(path) }
    }

    /// Blocks.
    static func fileSystem(_ path: String) -> FileSystemUsage? {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { return nil }
        let block = UInt64(facts.f_frsize)
        let (all, free) = (UInt64(facts.f_blocks), UInt64(facts.f_bfree))
        return FileSystemUsage(
            capacity: all * block, available: UInt64(facts.f_bavail) * block, used: (all - min(free, all)) * block,
            inodes: UInt64(facts.f_files), freeInodes: UInt64(facts.f_ffree))
    }
}
