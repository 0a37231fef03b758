#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// How much a file system holds, and what is left of it for users.
public struct FileSystemSpace: Sendable, Hashable {
    public var capacityBytes: UInt64
    /// Without what only root may use.
    public var availableBytes: UInt64
    public var inodes: UInt64
    public var inodesFree: UInt64

    /// Of the file system a path is on. Blocks.
    /// - Throws: `HostFilesError`.
    public init(path: String) throws(HostFilesError) {
        var facts = statvfs()
        guard statvfs(path, &facts) == 0 else { throw .system("look at the file system of \(path)") }
        self.init(facts)
    }

    init(descriptor: Int32, _ path: String) throws(HostFilesError) {
        var facts = statvfs()
        guard fstatvfs(descriptor, &facts) == 0 else { throw .system("look at the file system of \(path)") }
        self.init(facts)
    }

    private init(_ facts: statvfs) {
        let block = UInt64(facts.f_frsize)
        capacityBytes = UInt64(facts.f_blocks) * block
        availableBytes = UInt64(facts.f_bavail) * block
        inodes = UInt64(facts.f_files)
        inodesFree = UInt64(facts.f_ffree)
    }
}
