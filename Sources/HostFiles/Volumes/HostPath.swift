#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Checks a path of the host against the type a pod says it has, and makes what `…OrCreate` asks for. Blocks.
enum HostPath {
    /// - Parameter type: as in the Kubernetes API; empty checks nothing.
    static func prepare(_ path: String, type: String) throws(HostFilesError) {
        let isWhole = path.hasPrefix("/") && !path.utf8.contains(0)
        guard isWhole, !path.split(separator: "/").contains("..") else {
            throw HostFilesError(.invalidArgument, "hostPath \"\(path)\" must be an absolute path without \"..\"")
        }
        switch type {
        case "": break
        case "DirectoryOrCreate":
            if try SystemFiles.status(path) == nil { try SystemFiles.makeDirectories(path, mode: 0o755) }
            try check(path, "a directory", \.isDirectory)
        case "Directory": try check(path, "a directory", \.isDirectory)
        case "FileOrCreate":
            if try SystemFiles.status(path) == nil { try SystemFiles.write(path, [], mode: 0o644) }
            try check(path, "a file", \.isRegularFile)
        case "File": try check(path, "a file", \.isRegularFile)
        case "Socket": try check(path, "a socket file", \.isSocket)
        case "CharDevice": try check(path, "a character device", \.isCharacterDevice)
        case "BlockDevice": try check(path, "a block device", \.isBlockDevice)
        default: throw HostFilesError(.invalidArgument, "\(type) is an invalid volume type")
        }
    }

    private static func check(_ path: String, _ what: String, _ test: KeyPath<stat, Bool>) throws(HostFilesError) {
        guard let info = try SystemFiles.status(path), info[keyPath: test] else {
            throw HostFilesError(.invalidArgument, "hostPath type check failed: \(path) is not \(what)")
        }
    }
}
