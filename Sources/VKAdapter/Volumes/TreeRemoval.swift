#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Removes a directory tree a pod could write to: links are removed, not followed, what is mounted inside is refused,
/// and no depth of nesting exhausts stack or descriptors.
struct TreeRemoval: ~Copyable {
    private static let maximumDepth = 32
    private let path: String
    private let top: Int32
    private let device: dev_t
    private var moved = 0

    /// Removes the tree; nothing there is fine.
    static func remove(_ path: String) throws(AdapterError) {
        let top = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard top >= 0 else {
            if errno == ENOENT { return }
            throw SystemCall.failure("open", path)
        }
        var info = stat()
        guard fstat(top, &info) == 0 else {
            let code = errno
            close(top)
            throw SystemCall.failure("look at", path, code)
        }
        do throws(AdapterError) {
            try refuseMounts(below: SystemCall.realPath(path))
        } catch {
            close(top)
            throw error
        }
        var removal = TreeRemoval(path: path, top: top, device: info.st_dev)
        try removal.empty()
        guard rmdir(path) == 0 || errno == ENOENT else { throw SystemCall.failure("remove", path) }
    }

    private static func refuseMounts(below path: String) throws(AdapterError) {
        guard let mount = try MountTable.points(below: path).first else { return }
        throw AdapterError(.failed, "cannot remove \(path): something is still mounted at \(mount); unmount it first")
    }

    private init(path: String, top: Int32, device: dev_t) {
        self.path = path
        self.top = top
        self.device = device
    }

    deinit { close(top) }

    /// Goes on until directories that were moved up from the depth are gone too.
    private mutating func empty() throws(AdapterError) {
        repeat {
            moved = 0
            try empty(top, depth: 0)
        } while moved > 0
    }

    private mutating func empty(_ directory: Int32, depth: Int) throws(AdapterError) {
        for name in try SystemCall.names(in: directory, path: path) {
            if unlinkat(directory, name, 0) == 0 || errno == ENOENT { continue }
            let code = errno
            var info = stat()
            guard fstatat(directory, name, &info, AT_SYMLINK_NOFOLLOW) == 0, info.isDirectory else {
                throw SystemCall.failure("remove \"\(name)\" below", path, code)
            }
            guard info.st_dev == device else {
                throw AdapterError(
                    .failed,
                    "cannot remove \(path): something is still mounted at \"\(name)\" below it; unmount it first")
            }
            if unlinkat(directory, name, AT_REMOVEDIR) == 0 { continue }
            if depth >= Self.maximumDepth {
                moved += 1
                let flat = ".vz-cri-removing-\(moved)-\(info.st_ino)"
                guard renameat(directory, name, top, flat) == 0 else {
                    throw SystemCall.failure("remove \"\(name)\" below", path)
                }
                continue
            }
            try emptyDirectory(name, in: directory, depth: depth)
            guard unlinkat(directory, name, AT_REMOVEDIR) == 0 || errno == ENOENT else {
                throw SystemCall.failure("remove \"\(name)\" below", path)
            }
        }
    }

    private mutating func emptyDirectory(_ name: String, in directory: Int32, depth: Int) throws(AdapterError) {
        let flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
        var inner = openat(directory, name, flags)
        if inner < 0, errno == EACCES, fchmodat(directory, name, 0o700, 0) == 0 {
            inner = openat(directory, name, flags)
        }
        guard inner >= 0 else { throw SystemCall.failure("open \"\(name)\" below", path) }
        defer { close(inner) }
        do throws(AdapterError) {
            try empty(inner, depth: depth + 1)
        } catch {
            // A directory its owner may not write to: once with all rights.
            guard fchmod(inner, 0o700) == 0 else { throw error }
            try empty(inner, depth: depth + 1)
        }
    }
}
