import HostFiles
import VZEngine

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
        let resolved = try resolved(source)
        if let slash = place.lastIndex(of: "/") {
            try RootDirectory.makeDirectory(String(place[..<slash]), mode: 0o755)
        }
        do {
            guard let slash = resolved.lastIndex(of: "/") else { return }
            let name = String(resolved[resolved.index(after: slash)...])
            let parent = try DirectoryHandle.openResolved(
                slash == resolved.startIndex ? "/" : String(resolved[..<slash]))
            guard let code = try parent.link(name, at: place) else { return }
            guard readOnly else {
                throw ShimError(
                    .unsupported,
                    "the file \(source) cannot be shared with a virtual machine for writing "
                        + "(\(String(cString: strerror(code)))): mount its directory, or mount it read-only")
            }
            guard let bytes = try parent.read(name, limit: copyLimit) else {
                throw ShimError(.notFound, "there is no file \(source)")
            }
            var status = stat()
            try put(bytes, at: place, mode: lstat(resolved, &status) == 0 ? status.st_mode & 0o777 : 0o600)
        } catch let error as HostFilesError {
            throw ShimError(.failed, "sharing the file \(source) with a virtual machine failed", cause: error)
        }
    }

    /// What of a file that is only read is copied at most.
    private static let copyLimit = 1 << 30

    /// Settles what is shared: each directory by the path without links that it has now.
    static func resolve(_ shares: inout [MachineConfig.Share]) throws {
        for index in shares.indices where shares[index].tag != MachineMounts.filesTag {
            shares[index].source = try resolved(shares[index].source)
            shares[index].isResolved = true
        }
    }

    /// A path without links. Those on the way to a pod's volume are the host's; in it they are its containers', and whoever
    /// named a path there has looked that there are none: one that is there now leads elsewhere on purpose.
    static func resolved(_ path: String) throws -> String {
        let resolved = try realPath(path)
        guard let volume = volume(of: path) else { return resolved }
        guard resolved == (try realPath(volume)) + path.dropFirst(volume.count) else {
            throw ShimError(
                .invalidArgument,
                "\(path) cannot be shared with a virtual machine: a link in its volume leads to \(resolved)")
        }
        return resolved
    }

    /// The part of a path that is a pod's volume, as kubelets lay them out: `…/volumes/kubernetes.io~KIND/NAME`.
    static func volume(of path: String) -> String? {
        let names = path.split(separator: "/", omittingEmptySubsequences: false)
        guard let kind = names.firstIndex(where: { $0.hasPrefix("kubernetes.io~") }), kind > 0,
            names[kind - 1] == "volumes", names.count > kind + 2
        else { return nil }
        return names[...(kind + 1)].joined(separator: "/")
    }

    static func copy(_ source: String, to place: String) throws {
        guard let bytes = try RootDirectory.read(source) else {
            throw ShimError(.notFound, "there is no file \(source)")
        }
        var status = stat()
        try put(bytes, at: place, mode: stat(source, &status) == 0 ? status.st_mode & 0o777 : 0o600)
    }

    private static func put(_ bytes: [UInt8], at place: String, mode: mode_t) throws {
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
