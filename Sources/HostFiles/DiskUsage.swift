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
    /// Directories open at the same time; what is deeper is come back to.
    private static let deepest = 64

    /// Adds up this directory and what is below it on the same file system, a file with several names once, however deep it
    /// is nested. What goes away meanwhile is left out. Blocks.
    /// - Parameter end: what takes longer is given up: containers make as many files as they like.
    /// - Throws: `HostFilesError`.
    public func usage(until end: ContinuousClock.Instant? = nil) throws -> DiskUsage {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw HostFilesError.system("look at \(path)") }
        var (total, seen) = (DiskUsage(), Set<UInt64>())
        total.add(status)
        // Ways from here, name by name.
        var open: [[String]] = [[]]
        while let way = open.popLast() {
            guard let here = try descend(way) else { continue }
            try here.add(to: &total, device: status.st_dev, seen: &seen, way: way, depth: 1, deeper: &open, until: end)
        }
        return total
    }

    /// - Returns: nil when it is gone, or no directory any more.
    private func descend(_ way: [String]) throws -> DirectoryHandle? {
        var here = self
        for name in way {
            guard let next = here.openChild(name) else {
                if errno == ENOENT || errno == ENOTDIR || errno == ELOOP { return nil }
                throw here.failure("open", name)
            }
            here = next
        }
        return here
    }

    private func add(
        to total: inout DiskUsage, device: dev_t, seen: inout Set<UInt64>, way: [String], depth: Int,
        deeper: inout [[String]], until end: ContinuousClock.Instant?
    ) throws {
        if let end, .now > end {
            throw HostFilesError(.unavailable, "\(path) holds so much that adding it up takes too long")
        }
        for name in try names() {
            guard let status = try entry(name), status.st_dev == device else { continue }
            if status.st_mode & S_IFMT == S_IFDIR {
                total.add(status)
                guard depth < Self.deepest else {
                    deeper.append(way + [name])
                    continue
                }
                guard let directory = try descend([name]) else { continue }
                try directory.add(
                    to: &total, device: device, seen: &seen, way: way + [name], depth: depth + 1, deeper: &deeper,
                    until: end)
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
