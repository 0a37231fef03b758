/// What is in a volume of a pod, whoever decided it. Whoever keeps the pod's files only writes it.
public struct VolumeContent: Sendable, Hashable {
    public struct File: Sendable, Hashable {
        /// Below the volume: names joined by `/`. The first may not begin with `..`, which is ours.
        public var path: String
        public var content: [UInt8]
        /// Permission bits.
        public var mode: UInt32
        /// The user the file belongs to; nobody in particular where nil.
        public var owner: UInt32?

        public init(path: String, content: [UInt8], mode: UInt32 = 0o644, owner: UInt32? = nil) {
            self.path = path
            self.content = content
            self.mode = mode
            self.owner = owner
        }
    }

    /// The whole content; a volume that containers write has none.
    public var files: [File]
    /// Of the volume itself.
    public var directoryMode: UInt32
    /// An `fsGroup`: what is in the volume is its, and it may read it (write, where the volume is writable). Only root can
    /// give files away: without root this is left out, and an empty directory is open to everybody all the same.
    public var group: Int64?
    /// An empty directory that containers write to: made once, and kept with what is in it.
    public var isWritable: Bool
    /// In memory, where this system can.
    public var isMemory: Bool
    /// In bytes. Holds by itself only where the volume is in memory; elsewhere whoever looks at the usage acts on it.
    public var sizeLimit: UInt64?

    /// Files that are replaced all at once.
    public init(files: [File], directoryMode: UInt32 = 0o755, group: Int64? = nil) {
        self.files = files
        self.directoryMode = directoryMode
        self.group = group
        isWritable = false
        isMemory = false
    }

    /// A directory that containers write to.
    public static func empty(isMemory: Bool = false, sizeLimit: UInt64? = nil, group: Int64? = nil) -> VolumeContent {
        var content = VolumeContent(files: [], directoryMode: 0o777, group: group)
        content.isWritable = true
        content.isMemory = isMemory
        content.sizeLimit = sizeLimit
        return content
    }

    /// Far above what an API server holds: a limit for requests that mean harm.
    static let fileLimit = 20_000
    static let byteLimit = 64 << 20
    static let pathLimit = 4095

    /// - Throws: `escapes` for a path that leads elsewhere, `invalidArgument` for what cannot be a volume.
    func check() throws(HostFilesError) {
        guard directoryMode <= 0o7777, files.allSatisfy({ $0.mode <= 0o7777 }) else {
            throw HostFilesError(.invalidArgument, "a mode has more than the permission bits 07777")
        }
        if let group, UInt32(exactly: group) == nil || group == Int64(UInt32.max) {
            throw HostFilesError(.invalidArgument, "\(group) is no group id")
        }
        guard !isWritable || files.isEmpty else {
            throw HostFilesError(.invalidArgument, "a directory that containers write to is given without files")
        }
        guard files.count <= Self.fileLimit else {
            throw HostFilesError(.invalidArgument, "a volume has \(Self.fileLimit) files at most, not \(files.count)")
        }
        var bytes = 0
        var (names, directories) = (Set<String>(), Set<String>())
        for file in files {
            bytes += file.content.count
            let components = try Self.components(of: file.path)
            guard names.insert(file.path).inserted else {
                throw HostFilesError(.invalidArgument, "two files of a volume are named \"\(file.path)\"")
            }
            var parent = ""
            for name in components.dropLast() {
                parent += parent.isEmpty ? name : "/\(name)"
                directories.insert(parent)
            }
        }
        guard bytes <= Self.byteLimit else {
            throw HostFilesError(.invalidArgument, "a volume holds \(Self.byteLimit) bytes at most, not \(bytes)")
        }
        if let both = names.intersection(directories).min() {
            throw HostFilesError(.invalidArgument, "\"\(both)\" is a file and a directory of a volume")
        }
    }

    private static func components(of path: String) throws(HostFilesError) -> [String] {
        guard path.utf8.count <= pathLimit else {
            throw HostFilesError(.invalidArgument, "a path in a volume is longer than \(pathLimit) bytes")
        }
        let components: [String]
        do {
            components = try DirectoryHandle.components(path)
        } catch {
            throw HostFilesError(.escapes, "\"\(path)\" cannot be a file of a volume", cause: error)
        }
        guard !path.hasPrefix(".."), components.count <= 64, components.allSatisfy({ $0.utf8.count <= 255 }) else {
            throw HostFilesError(.invalidArgument, "\"\(path)\" cannot be a file of a volume")
        }
        return components
    }
}

/// What a container mounts.
public enum MountSource: Sendable, Hashable {
    /// A volume of the pod that was synced before.
    case volume(String)
    /// A path of the host, as the pod says it.
    /// - Parameter type: as in the Kubernetes API; empty checks nothing.
    case hostPath(String, type: String)
}

/// What a volume takes, and what is left where it is.
public struct VolumeUse: Sendable, Hashable {
    public var name: String
    public var usedBytes: UInt64 = 0
    public var inodesUsed: UInt64 = 0
    public var capacityBytes: UInt64 = 0
    public var availableBytes: UInt64 = 0
    /// Of the file system.
    public var inodes: UInt64 = 0
    public var inodesFree: UInt64 = 0

    public init(name: String) { self.name = name }
}

/// Files of one run of a container, on the host.
public struct ContainerFiles: Sendable, Hashable {
    /// What appears as `/etc/hosts`.
    public var hosts: String?
    /// What appears at the path of the termination message.
    public var terminationMessage: String

    public init(hosts: String?, terminationMessage: String) {
        self.hosts = hosts
        self.terminationMessage = terminationMessage
    }
}
