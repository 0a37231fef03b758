#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The files kept for pods on this host, laid out as the kubelet does: `ROOT/pods/UID/{volumes,containers,etc-hosts}`.
///
/// Names and paths may come from anywhere: every step below the root is taken from an open directory, and no link is
/// followed. All of this blocks.
public struct PodFiles: Sendable {
    let root: String

    /// - Parameter root: a directory of ours; made when it is missing.
    public init(root: String) {
        self.root = root.count > 1 && root.hasSuffix("/") ? String(root.dropLast()) : root
    }

    // MARK: Volumes

    /// Makes a volume what `content` says.
    /// - Returns: where it is.
    /// - Throws: `HostFilesError`.
    public func sync(pod uid: String, volume name: String, _ content: VolumeContent) throws -> String {
        try content.check()
        let relative = try place(of: name, isWritable: content.isWritable)
        let pod = try podDirectory(uid)
        // Only root can give files away.
        let group = geteuid() == 0 ? content.group.map { UInt32(clamping: $0) } : nil
        let path = "\(pod.path)/\(relative)"
        if content.isWritable {
            try VolumeDirectory.make(relative, in: pod, mode: mode_t(content.directoryMode), group: group)
            guard content.isMemory else { return path }
            let before = try pod.directory(relative)
            if try MemoryVolume.mount(on: before, at: path, size: content.sizeLimit) {
                try Self.settle(try pod.directory(relative), mode_t(content.directoryMode), group, like: 0o2070)
            }
            return path
        }
        var directory = try pod.makeDirectories(String(relative.dropLast(name.count + 1)), mode: 0o750)
            .makeDirectories(name, mode: 0o755)
        if content.isMemory, try MemoryVolume.mount(on: directory, at: path, size: nil) {
            directory = try pod.directory(relative)
        }
        try AtomicVolume(directory: directory, group: group).write(content.files)
        try Self.settle(directory, mode_t(content.directoryMode), group, like: 0o2050)
        return path
    }

    /// - Parameter bits: what a group gets beside the mode.
    private static func settle(_ directory: DirectoryHandle, _ mode: mode_t, _ group: UInt32?, like bits: mode_t) throws
    {
        if let group, fchown(directory.descriptor, uid_t.max, group) != 0 {
            throw HostFilesError.system("give \(directory.path) to group \(group)")
        }
        // After the owner: giving it away clears the set-group-id bit.
        guard fchmod(directory.descriptor, mode | (group == nil ? 0 : bits)) == 0 else {
            throw HostFilesError.system("set the mode of \(directory.path)")
        }
    }

    /// Where a container's mount is on this host.
    /// - Parameters:
    ///   - subPath: within the source; empty for the whole. A directory that is missing is made.
    ///   - readOnly: whether the container only reads it.
    public func mount(_ source: MountSource, subPath: String, readOnly: Bool, pod uid: String) throws -> String {
        let path: String
        switch source {
        case .hostPath(let host, let type):
            try HostPath.prepare(host, type: type)
            path = host
        case .volume(let name):
            let pod = try podDirectory(uid)
            guard
                let found = try [true, false].map({ try place(of: name, isWritable: $0) })
                    .first(where: { try pod.has($0) })
            else { throw HostFilesError(.failed, "volume \"\(name)\" of pod \(uid) has not been made") }
            path = "\(pod.path)/\(found)"
        }
        return subPath.isEmpty ? path : try SubPath.resolve(subPath, in: path)
    }

    // MARK: Files of containers

    /// Makes the files one run of a container has mounted. What a container wrote there before stays.
    /// - Parameter hosts: the text of `/etc/hosts`; nil when the runtime's own is right.
    public func containerFiles(pod uid: String, container: String, attempt: UInt32, hosts: String?) throws
        -> ContainerFiles
    {
        let pod = try podDirectory(uid)
        if let hosts { try pod.overwrite("etc-hosts", with: Array(hosts.utf8), mode: 0o644) }
        let relative = "containers/" + (try PathComponent.checked(container, "container"))
        let directory = try pod.makeDirectories(relative, mode: 0o750)
        if try directory.entry("\(attempt)") == nil {
            try directory.overwrite("\(attempt)", with: [], mode: 0o666)
        }
        return ContainerFiles(
            hosts: hosts == nil ? nil : "\(pod.path)/etc-hosts",
            terminationMessage: "\(pod.path)/\(relative)/\(attempt)")
    }

    /// The end of what a container wrote to its termination message file; nil when it wrote nothing.
    /// - Parameter limit: in bytes.
    public func terminationMessage(pod uid: String, container: String, attempt: UInt32, limit: Int) throws -> [UInt8]? {
        let name = try PathComponent.checked(container, "container")
        guard let top = try top(of: uid) else { return nil }
        let bytes = try top.end(of: "pods/\(uid)/containers/\(name)/\(attempt)", limit: limit)
        return bytes?.isEmpty == false ? bytes : nil
    }

    // MARK: Pods

    /// Removes everything kept for a pod; nothing there is fine. Host paths it mounted stay.
    /// - Throws: also when something is mounted below; then nothing is removed.
    public func remove(pod uid: String) throws {
        guard let top = try top(of: uid) else { return }
        for kind in Self.kinds where try top.has("pods/\(uid)/volumes/\(kind)") {
            // What is mounted elsewhere below is not ours, and keeps the pod's files from being removed.
            for name in try top.directory("pods/\(uid)/volumes/\(kind)").names() {
                try MemoryVolume.unmount("\(top.path)/pods/\(uid)/volumes/\(kind)/\(name)")
            }
        }
        try top.remove("pods/\(uid)")
    }

    /// The UIDs of all pods something is kept for.
    public func pods() throws -> [String] {
        guard let top = try existing(), try top.has("pods") else { return [] }
        return try top.directory("pods").names().sorted()
    }

    /// What each volume takes.
    /// - Parameter limit: what takes longer is given up.
    public func usage(pod uid: String, within limit: Duration = .seconds(60)) throws -> [VolumeUse] {
        let end = ContinuousClock.now + limit
        guard let top = try top(of: uid), try top.has("pods/\(uid)/volumes") else { return [] }
        let volumes = try top.directory("pods/\(uid)/volumes")
        var uses: [VolumeUse] = []
        for kind in Self.kinds where try volumes.has(kind) {
            let all = try volumes.directory(kind)
            // What has a dot in front of or behind its name is on its way.
            for name in try all.names() where !name.hasSuffix(".new") {
                uses.append(try VolumeUse(name: name, try all.directory(name), until: end))
            }
        }
        return uses.sorted { $0.name < $1.name }
    }

    // MARK: Places

    private static let kinds = ["kubernetes.io~empty-dir", "kubernetes.io~projected"]

    private func place(of name: String, isWritable: Bool) throws -> String {
        "volumes/\(Self.kinds[isWritable ? 0 : 1])/\(try PathComponent.checked(name, "volume"))"
    }

    /// The directory of a pod, made when it is missing. Others may not even look: what containers write there is theirs.
    private func podDirectory(_ uid: String) throws -> DirectoryHandle {
        let uid = try PathComponent.checked(uid, "pod UID")
        if try existing() == nil { try Directories.make(root, mode: 0o700) }
        return try DirectoryHandle.open(root).makeDirectories("pods/\(uid)", mode: 0o750)
    }

    private func existing() throws -> DirectoryHandle? {
        try SystemFiles.status(root) == nil ? nil : try DirectoryHandle.open(root)
    }

    /// The root, where something is kept for the pod.
    private func top(of uid: String) throws -> DirectoryHandle? {
        let uid = try PathComponent.checked(uid, "pod UID")
        guard let top = try existing(), try top.has("pods/\(uid)") else { return nil }
        return top
    }
}

extension DirectoryHandle {
    /// Whether something is at a path below.
    func has(_ relative: String) throws -> Bool {
        let (parent, name) = try place(of: relative)
        return try parent?.entry(name) != nil
    }
}

extension VolumeUse {
    /// - Throws: `HostFilesError`.
    init(name: String, _ directory: DirectoryHandle, until end: ContinuousClock.Instant) throws {
        self.init(name: name)
        let usage = try directory.usage(until: end)
        usedBytes = usage.bytes
        inodesUsed = usage.inodes
        let space = try FileSystemSpace(descriptor: directory.descriptor, directory.path)
        capacityBytes = space.capacityBytes
        availableBytes = space.availableBytes
        inodes = space.inodes
        inodesFree = space.inodesFree
    }
}
