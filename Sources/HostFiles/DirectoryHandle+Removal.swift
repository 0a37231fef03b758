#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension DirectoryHandle {
    /// Directories open at the same time; what is deeper is brought up first.
    private static let deepest = 32

    /// Removes a file, a link, or a directory with all that is in it; nothing when it does not exist. Links are removed,
    /// not followed, and what is mounted there stays.
    /// - Throws: `HostFilesError`; with something mounted below, before anything is removed.
    public func remove(_ relative: String) throws {
        let (parent, name) = try place(of: relative)
        guard let parent, let status = try parent.entry(name) else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else { return try parent.unlink(name) }
        if let mounted = try parent.mountPoints(at: name).first {
            throw HostFilesError(
                .failed, "cannot remove \(parent.path)/\(name): \(mounted) is mounted there; unmount it first")
        }
        let top = try parent.enter(name)
        repeat { try top.empty(device: status.st_dev, depth: 1, top: top) } while try !top.names().isEmpty
        try parent.removeDirectory(name)
    }

    private func empty(device: dev_t, depth: Int, top: DirectoryHandle) throws {
        for name in try names() {
            guard let status = try entry(name) else { continue }
            guard status.st_mode & S_IFMT == S_IFDIR else {
                try unlink(name)
                continue
            }
            guard status.st_dev == device else {
                throw HostFilesError(
                    .failed, "cannot remove \(path)/\(name): another file system is mounted there; unmount it first")
            }
            if unlinkat(descriptor, name, AT_REMOVEDIR) == 0 { continue }
            let directory = try enter(name)
            if depth < Self.deepest {
                try directory.empty(device: device, depth: depth + 1, top: top)
                try removeDirectory(name)
            } else {
                // However deep the tree is, it needs neither more descriptors nor a deeper stack.
                let here = ".\(UInt64.random(in: 0...UInt64.max)).removed"
                guard renameat(descriptor, name, top.descriptor, here) == 0 else { throw failure("move", name) }
            }
        }
    }

    /// Opens a directory for removal, also one that its mode keeps its owner out of.
    private func enter(_ name: String) throws -> DirectoryHandle {
        let isRoot = geteuid() == 0
        var directory = openChild(name)
        if directory == nil, errno == EACCES, !isRoot, fchmodat(descriptor, name, 0o700, AT_SYMLINK_NOFOLLOW) == 0 {
            directory = openChild(name)
        }
        guard let directory else { throw failure("open", name) }
        // Who cannot write it cannot remove what is in it.
        if !isRoot { fchmod(directory.descriptor, 0o700) }
        return directory
    }

    private func unlink(_ name: String) throws {
        guard unlinkat(descriptor, name, 0) == 0 || errno == ENOENT else { throw failure("remove", name) }
    }

    private func removeDirectory(_ name: String) throws {
        guard unlinkat(descriptor, name, AT_REMOVEDIR) == 0 || errno == ENOENT else { throw failure("remove", name) }
    }
}
