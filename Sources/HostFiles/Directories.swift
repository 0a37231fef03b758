#if canImport(Glibc)
public import Glibc
#else
public import Darwin
#endif

/// Directories by path. All of this blocks.
public enum Directories {
    /// Makes a directory and those above it that are missing.
    public static func make(_ path: String, mode: mode_t) throws {
        if mkdir(path, mode) == 0 { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try make(String(path[..<slash]), mode: mode)
            if mkdir(path, mode) == 0 { return }
        }
        let failure = HostFilesError.system("make the directory \(path)")
        var status = stat()
        if errno == EEXIST || stat(path, &status) == 0, stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
            return
        }
        throw failure
    }

    /// The names in a directory, without `.` and `..`; none when it does not exist.
    public static func names(_ path: String) throws -> [String] {
        guard let directory = opendir(path) else {
            if errno == ENOENT { return [] }
            throw HostFilesError.system("list \(path)")
        }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func sync(_ path: String) throws {
        let descriptor = systemOpen(path.isEmpty ? "/" : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw HostFilesError.system("open the directory \(path)") }
        defer { _ = systemClose(descriptor) }
        // Not every file system can; a rename is atomic there all the same.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw HostFilesError.system("sync the directory \(path)")
        }
    }
}
