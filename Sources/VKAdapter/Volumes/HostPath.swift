import KubeAPI

/// Checks a hostPath volume against its type, and makes what `…OrCreate` asks for.
enum HostPath {
    static func prepare(_ volume: HostPathVolume) throws(AdapterError) {
        let path = volume.path
        guard path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
            throw AdapterError(.invalidArgument, "hostPath \"\(path)\" must be an absolute path without \"..\"")
        }
        switch volume.type ?? "" {
        case "": break
        case "DirectoryOrCreate":
            if try SystemCall.status(path) == nil { try SystemCall.makeDirectories(path, mode: 0o755) }
            try check(path, "a directory", \.isDirectory)
        case "Directory": try check(path, "a directory", \.isDirectory)
        case "FileOrCreate":
            if try SystemCall.status(path) == nil { try SystemCall.write(path, [], mode: 0o644) }
            try check(path, "a file", \.isRegularFile)
        case "File": try check(path, "a file", \.isRegularFile)
        case "Socket": try check(path, "a socket file", \.isSocket)
        case "CharDevice": try check(path, "a character device", \.isCharacterDevice)
        case "BlockDevice": try check(path, "a block device", \.isBlockDevice)
        default: throw AdapterError(.invalidArgument, "\(volume.type ?? "") is an invalid volume type")
        }
    }

    private static func check(_ path: String, _ what: String, _ test: KeyPath<FileStatus, Bool>) throws(AdapterError) {
        guard let info = try SystemCall.status(path), info[keyPath: test] else {
            throw AdapterError(.invalidArgument, "hostPath type check failed: \(path) is not \(what)")
        }
    }
}
