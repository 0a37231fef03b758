#if canImport(Glibc)
public import Glibc
#else
public import Darwin
#endif

/// An open directory, and what is below it by relative paths. Every step is taken from an open directory and no link is
/// followed: who can write below it cannot lead a call out of it, also not between a check and its use. All of it blocks.
///
/// Relative paths are names joined by `/`; `..`, `.`, empty and absolute ones are refused with code `escapes`, and so is
/// a link in the place of a directory or file.
public final class DirectoryHandle: Sendable {
    let descriptor: Int32
    /// For messages: where it was when it was opened.
    let path: String

    private init(_ descriptor: Int32, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { _ = systemClose(descriptor) }

    /// Opens a directory by a path that is trusted.
    /// - Throws: `HostFilesError`.
    public static func open(_ path: String) throws -> DirectoryHandle {
        let descriptor = systemOpen(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw HostFilesError.system("open the directory \(path)") }
        return DirectoryHandle(descriptor, path)
    }

    /// Opens a directory below this one.
    public func directory(_ relative: String) throws -> DirectoryHandle {
        try Self.components(relative).reduce(self) { try $0.child($1) }
    }

    /// Opens a directory below this one; it and those on the way are made when they are missing.
    /// - Parameter mode: of those made, whatever the umask is.
    public func makeDirectories(_ relative: String, mode: mode_t) throws -> DirectoryHandle {
        try Self.components(relative).reduce(self) { here, name in
            if mkdirat(here.descriptor, name, mode) == 0 {
                let made = try here.child(name)
                guard fchmod(made.descriptor, mode) == 0 else {
                    throw HostFilesError.system("set the mode of \(made.path)")
                }
                return made
            }
            guard errno == EEXIST else { throw HostFilesError.system("make the directory \(here.path)/\(name)") }
            return try here.child(name)
        }
    }

    /// A file's bytes; nil when there is none.
    /// - Throws: also when it is larger than `limit`, or no regular file.
    public func read(_ relative: String, limit: Int) throws -> [UInt8]? {
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
        guard fstat(file, &status) == 0 else { throw parent.failure("look at", name) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw HostFilesError(.failed, "\(parent.path)/\(name) is no regular file")
        }
        guard status.st_size <= limit else {
            throw HostFilesError(.failed, "\(parent.path)/\(name) is larger than \(limit) bytes")
        }
        return try Files.read(file, at: 0, count: Int(status.st_size))
    }

    /// Puts a file in place, whole or not at all. Its directory must exist.
    public func write(_ bytes: [UInt8], to relative: String, mode: mode_t) throws {
        let (parent, name) = try place(of: relative)
        guard let parent else {
            throw HostFilesError(.failed, "cannot write \(path)/\(relative): its directory does not exist")
        }
        let temporary = ".\(getpid()).\(UInt32.random(in: 0...UInt32.max)).tmp"
        let file = systemOpenAt(
            parent.descriptor, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        guard file >= 0 else { throw parent.failure("write", name) }
        defer { _ = systemClose(file) }
        do {
            try AtomicFile.write(bytes, to: file, "\(parent.path)/\(name)")
            guard fchmod(file, mode) == 0, fsync(file) == 0 else { throw parent.failure("write", name) }
            guard renameat(parent.descriptor, temporary, parent.descriptor, name) == 0 else {
                throw parent.failure("put in place", name)
            }
        } catch {
            unlinkat(parent.descriptor, temporary, 0)
            throw error
        }
        guard fsync(parent.descriptor) == 0 || errno == EINVAL else {
            throw HostFilesError.system("sync the directory \(parent.path)")
        }
    }

    /// The names in this directory, without `.` and `..`.
    public func names() throws -> [String] {
        // A description of its own: readers do not move each other.
        let own = systemOpenAt(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard own >= 0, let listing = fdopendir(own) else {
            let failure = HostFilesError.system("list \(path)")
            if own >= 0 { _ = systemClose(own) }
            throw failure
        }
        defer { closedir(listing) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw HostFilesError.system("list \(path)") }
        return names
    }

    // MARK: Steps

    static func components(_ relative: String) throws -> [String] {
        let names = relative.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for name in names where name.isEmpty || name == "." || name == ".." || name.utf8.contains(0) {
            throw HostFilesError(.escapes, "\"\(relative)\" must be names joined by \"/\", without \".\" and \"..\"")
        }
        return names
    }

    func child(_ name: String) throws -> DirectoryHandle {
        guard let child = openChild(name) else { throw failure("open", name) }
        return child
    }

    /// - Returns: nil when the system refuses; `errno` says why.
    func openChild(_ name: String) -> DirectoryHandle? {
        let next = systemOpenAt(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
        return next < 0 ? nil : DirectoryHandle(next, "\(path)/\(name)")
    }

    /// The directory a path's last name is in; nil when there is none.
    func place(of relative: String) throws -> (parent: DirectoryHandle?, name: String) {
        let names = try Self.components(relative)
        var here = self
        for name in names.dropLast() {
            var status = stat()
            if fstatat(here.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) != 0, errno == ENOENT {
                return (nil, names[names.count - 1])
            }
            here = try here.child(name)
        }
        return (here, names[names.count - 1])
    }

    /// What the last system call said; a link where none may be is an escape.
    func failure(_ attempt: String, _ name: String) -> HostFilesError {
        let code = errno
        var status = stat()
        if code == ELOOP || code == ENOTDIR, fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0,
            status.st_mode & S_IFMT == S_IFLNK
        {
            return HostFilesError(.escapes, "\(path)/\(name) is a link, and links are not followed here")
        }
        errno = code
        return HostFilesError.system("\(attempt) \(path)/\(name)")
    }
}
