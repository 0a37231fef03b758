#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a directory tree takes of its file system.
public struct DiskUsage: Sendable, Equatable {
    /// Allocated, not apparent: a sparse file counts what it holds.
    public var bytes: UInt64 = 0
    /// Files, directories and links; the directory itself is one.
    public var inodes: UInt64 = 0

    public init() {}
}

extension DirectoryHandle {
    /// Adds up this directory and what is below it on the same file system, a file with several names once. What goes
    /// away meanwhile is left out. Blocks.
    /// - Throws: `HostFilesError`; also for a tree nested deeper than 512 directories, of which each needs a descriptor.
    public func usage() throws -> DiskUsage {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw HostFilesError.system("look at \(path)") }
        var (total, seen) = (DiskUsage(), Set<UInt64>())
        total.add(status)
        try add(to: &total, device: status.st_dev, seen: &seen, depth: 1)
        return total
    }

    private func add(to total: inout DiskUsage, device: dev_t, seen: inout Set<UInt64>, depth: Int) throws {
        guard depth <= 512 else { throw HostFilesError(.failed, "\(path) is nested too deep to add up") }
        for name in try names() {
            var status = stat()
            guard fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
                if errno == ENOENT { continue }
                throw failure("look at", name)
            }
            guard status.st_dev == device else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                total.add(status)
                guard let directory = openChild(name) else {
                    if errno == ENOENT { continue }
                    throw failure("open", name)
                }
                try directory.add(to: &total, device: device, seen: &seen, depth: depth + 1)
            } else if status.st_nlink == 1 || seen.insert(UInt64(status.st_ino)).inserted {
                total.add(status)
            }
        }
    }
}

extension DiskUsage {
    fileprivate mutating func add(_ status: stat) {
        // st_blocks counts 512 bytes, whatever the file system's block is.
        bytes += UInt64(status.st_blocks) * 512
        inodes += 1
    }
}
