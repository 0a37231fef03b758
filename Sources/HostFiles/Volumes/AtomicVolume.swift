#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Writes a volume's files so that a reader sees all of the old ones or all of the new, laid out as the kubelet does: the
/// files in a directory of their own, `..data` linked to it, and every name at the top linked through `..data`.
struct AtomicVolume {
    static let data = "..data"
    private static let nextData = "..data_tmp"

    let directory: DirectoryHandle
    /// nil when files cannot or need not be given away.
    let group: UInt32?

    /// Replaces what is in the volume.
    /// - Returns: whether anything was another than before.
    @discardableResult
    func write(_ files: [VolumeContent.File]) throws -> Bool {
        let current = try current()
        if let current, try holds(files, current.directory) {
            try link(files)
            try sweep(files, keeping: current.name)
            return false
        }
        let name = "..\(String(UInt64.random(in: 0...UInt64.max), radix: 16))"
        do {
            let new = try directory.makeDirectories(name, mode: 0o700)
            for file in files { try put(file, in: new) }
            try open(new)
            try directory.remove(Self.nextData)
            try directory.makeLink(Self.nextData, to: name)
            try directory.rename(Self.nextData, to: Self.data)
        } catch {
            do {
                try directory.remove(name)
            } catch let other {
                throw HostFilesError(
                    .failed, "cannot write the volume \(directory.path), nor remove what was written (\(other))",
                    cause: error)
            }
            throw error
        }
        try link(files)
        try sweep(files, keeping: name)
        return true
    }

    /// The directory that is read now. What is no name of ours is not followed.
    private func current() throws -> (name: String, directory: DirectoryHandle)? {
        guard let name = try directory.target(of: Self.data), name.hasPrefix(".."), name != "..", !name.contains("/"),
            let found = directory.openChild(name)
        else { return nil }
        return (name, found)
    }

    private func put(_ file: VolumeContent.File, in top: DirectoryHandle) throws {
        let names = try DirectoryHandle.components(file.path)
        var here = top
        for name in names.dropLast() {
            let isNew = try here.entry(name) == nil
            here = try here.makeDirectories(name, mode: 0o700)
            if isNew { try open(here) }
        }
        try here.create(
            names[names.count - 1], file.content, mode: mode(of: file), owner: owner(of: file), group: group)
    }

    /// Lets everybody look into a directory of the volume.
    private func open(_ made: DirectoryHandle) throws {
        if let group, fchown(made.descriptor, uid_t.max, group) != 0 {
            throw HostFilesError.system("give \(made.path) to group \(group)")
        }
        guard fchmod(made.descriptor, group == nil ? 0o755 : 0o2775) == 0 else {
            throw HostFilesError.system("set the mode of \(made.path)")
        }
    }

    /// A group the files are given to may read them.
    private func mode(of file: VolumeContent.File) -> mode_t {
        mode_t(file.mode & 0o7777) | (group == nil ? 0 : 0o440)
    }

    private func owner(of file: VolumeContent.File) -> UInt32? { geteuid() == 0 ? file.owner : nil }

    /// Whether these files, and no others, are there.
    private func holds(_ files: [VolumeContent.File], _ top: DirectoryHandle) throws -> Bool {
        var directories: Set<String> = []
        for file in files {
            let names = try DirectoryHandle.components(file.path)
            for end in 1..<max(1, names.count) { directories.insert(names[..<end].joined(separator: "/")) }
        }
        var wanted = Dictionary(files.map { ($0.path, $0) }) { $1 }
        return try matches(top, "", &wanted, directories) && wanted.isEmpty
    }

    private func matches(
        _ here: DirectoryHandle, _ prefix: String, _ wanted: inout [String: VolumeContent.File],
        _ directories: Set<String>
    ) throws -> Bool {
        for name in try here.names() {
            let path = prefix + name
            guard let status = try here.entry(name) else { return false }
            switch status.st_mode & S_IFMT {
            case S_IFDIR:
                guard directories.contains(path), let next = here.openChild(name),
                    try matches(next, path + "/", &wanted, directories)
                else { return false }
            case S_IFREG:
                guard let file = wanted.removeValue(forKey: path), status.st_size == file.content.count,
                    status.st_mode & 0o7777 == mode(of: file), status.st_uid == owner(of: file) ?? status.st_uid,
                    status.st_gid == group ?? status.st_gid,
                    try here.read(name, limit: file.content.count) == file.content
                else { return false }
            default: return false
            }
        }
        return true
    }

    private func topNames(_ files: [VolumeContent.File]) -> Set<String> {
        Set(files.map { String($0.path.prefix { $0 != "/" }) })
    }

    private func link(_ files: [VolumeContent.File]) throws {
        for name in topNames(files) {
            let target = "\(Self.data)/\(name)"
            if try directory.target(of: name) == target { continue }
            // Whatever a container with a writable mount has put there.
            try directory.remove(name)
            try directory.makeLink(name, to: target)
        }
    }

    /// Removes names that are no longer there and directories nobody reads.
    private func sweep(_ files: [VolumeContent.File], keeping current: String) throws {
        let wanted = topNames(files)
        for name in try directory.names() where name != Self.data && name != current && !wanted.contains(name) {
            try directory.remove(name)
        }
    }
}
