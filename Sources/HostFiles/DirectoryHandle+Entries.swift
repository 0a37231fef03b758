#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Single entries of a directory, by their name in it. All of it blocks.
extension DirectoryHandle {
    /// - Returns: nil when nothing has that name.
    func entry(_ name: String) throws -> stat? {
        var status = stat()
        if fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0 { return status }
        if errno == ENOENT { return nil }
        throw failure("look at", name)
    }

    /// Where a link points; nil when there is none of that name, or something else.
    func target(of name: String) throws -> String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { readlinkat(descriptor, name, $0.baseAddress!, $0.count) }
        }
        if count >= 0 { return String(decoding: buffer[..<count], as: UTF8.self) }
        if errno == ENOENT || errno == EINVAL { return nil }
        throw failure("read the link", name)
    }

    func makeLink(_ name: String, to target: String) throws {
        guard symlinkat(target, descriptor, name) == 0 else { throw failure("make the link", name) }
    }

    /// Gives an entry another name; what had that name is replaced.
    func rename(_ name: String, to new: String) throws {
        guard renameat(descriptor, name, descriptor, new) == 0 else { throw failure("put in place", new) }
    }

    /// Makes a file that is not there yet.
    func create(_ name: String, _ bytes: [UInt8], mode: mode_t, owner: UInt32?, group: UInt32?) throws {
        let file = systemOpenAt(descriptor, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure("make", name) }
        defer { _ = systemClose(file) }
        try AtomicFile.write(bytes, to: file, "\(path)/\(name)")
        if owner != nil || group != nil, fchown(file, owner ?? uid_t.max, group ?? gid_t.max) != 0 {
            throw failure("give away", name)
        }
        // After the owner: giving it away clears bits.
        guard fchmod(file, mode) == 0 else { throw failure("set the mode of", name) }
    }

    /// Writes a file that may be mounted somewhere: it stays the same file. Nothing is done where it has that text.
    func overwrite(_ relative: String, with bytes: [UInt8], mode: mode_t) throws {
        let (parent, name) = try place(of: relative)
        guard let parent else { throw HostFilesError(.failed, "cannot write \(path)/\(relative): no directory") }
        let file = systemOpenAt(
            parent.descriptor, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode)
        guard file >= 0 else { throw parent.failure("write", name) }
        defer { _ = systemClose(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw HostFilesError(.failed, "\(parent.path)/\(name) is no regular file")
        }
        if status.st_size == bytes.count, status.st_mode & 0o7777 == mode,
            try Files.read(file, at: 0, count: bytes.count) == bytes
        {
            return
        }
        guard ftruncate(file, 0) == 0 else { throw parent.failure("write", name) }
        try AtomicFile.write(bytes, to: file, "\(parent.path)/\(name)")
        guard fchmod(file, mode) == 0 else { throw parent.failure("set the mode of", name) }
    }

    /// The last bytes of a file; nil when there is none.
    /// - Throws: when it is no regular file.
    func end(of relative: String, limit: Int) throws -> [UInt8]? {
        let (parent, name) = try place(of: relative)
        guard let parent else { return nil }
        // A named pipe must not hold the caller.
        let file = systemOpenAt(parent.descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw parent.failure("open", name)
        }
        defer { _ = systemClose(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw HostFilesError(.failed, "\(parent.path)/\(name) is no regular file")
        }
        let size = Int64(status.st_size)
        let start = max(0, size - Int64(limit))
        return try Files.read(file, at: start, count: Int(size - start))
    }
}
