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
        try await offload { try Self.make(relative, in: $0, mode: 0o777, group: group) }
    }

    /// Blocks.
    static func make(_ relative: String, in root: DirectoryHandle, mode: mode_t, group: UInt32?) throws {
        let names = try DirectoryHandle.components(relative)
        let parent =
            names.count == 1 ? root : try root.makeDirectories(names.dropLast().joined(separator: "/"), mode: 0o750)
        let name = names[names.count - 1]
        if try parent.entry(name) != nil {
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
        guard fchmod(made.descriptor, group == nil ? mode : mode | 0o2070) == 0 else {
            throw HostFilesError.system("set the mode of \(made.path)")
        }
        try parent.rename(new, to: name)
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
