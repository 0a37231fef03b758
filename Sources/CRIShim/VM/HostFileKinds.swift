#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Looks at and copies files of the host for a machine. Everything here blocks.
enum HostFileKinds {
    static func kind(_ path: String) throws -> MachineMounts.Kind {
        var status = stat()
        guard stat(path, &status) == 0 else {
            if errno == ENOENT { return .absent }
            throw RootDirectory.failure("looking at \(path)", errno)
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: return .directory
        case S_IFREG: return .file
        default:
            throw ShimError(
                .unsupported, "\(path) is neither a directory nor a file: a virtual machine cannot be given it")
        }
    }

    /// Puts a file into a directory of ours: the very file where that is possible; a copy else, of one that is only read.
    static func stage(_ source: String, at place: String, readOnly: Bool) throws {
        let resolved = try realPath(source)
        if let slash = place.lastIndex(of: "/") {
            try RootDirectory.makeDirectory(String(place[..<slash]), mode: 0o755)
        }
        if link(resolved, place) == 0 { return }
        let code = errno
        guard readOnly else {
            throw ShimError(
                .unsupported,
                "the file \(source) cannot be shared with a virtual machine for writing "
                    + "(\(String(cString: strerror(code)))): mount its directory, or mount it read-only")
        }
        try copy(resolved, to: place)
    }

    static func copy(_ source: String, to place: String) throws {
        guard let bytes = try RootDirectory.read(source) else {
            throw ShimError(.notFound, "there is no file \(source)")
        }
        var status = stat()
        let mode = stat(source, &status) == 0 ? status.st_mode & 0o777 : 0o600
        let descriptor = open(place, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw RootDirectory.failure("writing \(place)", errno) }
        defer { close(descriptor) }
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw RootDirectory.failure("writing \(place)", errno) }
                rest = rest.dropFirst(count)
            }
        }
    }

    private static func realPath(_ path: String) throws -> String {
        guard let resolved = realpath(path, nil) else { throw RootDirectory.failure("looking at \(path)", errno) }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// The last part of a text file, for messages.
    static func tail(_ path: String, bytes limit: Int = 2048) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        let end = lseek(descriptor, 0, SEEK_END)
        _ = lseek(descriptor, max(0, end - off_t(limit)), SEEK_SET)
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = read(descriptor, &bytes, limit)
        return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
    }
}
