import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A directory that serves as a pod's emptyDir: it appears whole, with its mode and group, or not at all, and goes with
/// everything containers put into it.
public struct VolumeDirectory: Sendable {
    private let root: String
    private let relative: String

    /// The volume's path on the host.
    public var path: String { "\(root)/\(relative)" }

    /// - Parameters:
    ///   - root: a directory of ours, which exists.
    ///   - relative: the volume's place below it.
    public init(root: String, relative: String) {
        self.root = root
        self.relative = relative
    }

    /// Makes it, if it is not there; one that is there stays as its containers left it.
    /// - Parameter group: an fsGroup: the directory is its, and new files in it too. Needs root.
    public func make(group: UInt32? = nil) async throws {
        try await offload { root in
            let names = try DirectoryHandle.components(relative)
            let parent =
                names.count == 1 ? root : try root.makeDirectories(names.dropLast().joined(separator: "/"), mode: 0o750)
            let name = names[names.count - 1]
            var status = stat()
            if fstatat(parent.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
                _ = try parent.child(name)
                return
            }
            // What a kill left of the last try.
            let new = name + ".new"
            try parent.remove(new)
            let made = try parent.makeDirectories(new, mode: 0o700)
            if let group, fchown(made.descriptor, uid_t.max, gid_t(group)) != 0 {
                throw HostFilesError.system("give \(made.path) to group \(group)")
            }
            // After the owner: giving it away clears the set-group-id bit.
            guard fchmod(made.descriptor, group == nil ? 0o777 : 0o2777) == 0 else {
                throw HostFilesError.system("set the mode of \(made.path)")
            }
            guard renameat(parent.descriptor, new, parent.descriptor, name) == 0 else {
                throw parent.failure("make", name)
            }
        }
    }

    /// Removes it with its content; nothing when it is not there.
    public func remove() async throws { try await offload { try $0.remove(relative) } }

    /// What its content takes.
    public func usage() async throws -> DiskUsage { try await offload { try $0.directory(relative).usage() } }

    private func offload<R: Sendable>(_ body: @escaping @Sendable (DirectoryHandle) throws -> R) async throws -> R {
        let root = root
        return try await NIOThreadPool.singleton.runIfActive { try body(try DirectoryHandle.open(root)) }
    }
}
