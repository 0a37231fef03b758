import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An open file, closed when it is let go. Everything blocks.
final class OpenFile: Sendable {
    let descriptor: Int32
    /// For messages.
    let path: String

    private init(_ descriptor: Int32, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    static func reading(_ path: String) throws -> OpenFile { try open(path, O_RDONLY | O_NONBLOCK, 0) }
    static func creating(_ path: String) throws -> OpenFile { try open(path, O_RDWR | O_CREAT | O_EXCL, 0o600) }
    static func locking(_ path: String) throws -> OpenFile { try open(path, O_RDWR | O_CREAT, 0o600) }

    private static func open(_ path: String, _ flags: Int32, _ mode: mode_t) throws -> OpenFile {
        let descriptor = systemOpen(path, flags | O_CLOEXEC, mode)
        guard descriptor >= 0 else {
            throw VMImageError.system("open \(path)", isMissing: errno == ENOENT)
        }
        return OpenFile(descriptor, path)
    }

    func facts() throws -> stat {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw VMImageError.system("look at \(path)") }
        return status
    }

    /// Fills the buffer from an offset on.
    /// - Returns: how much of it; less than all only at the end of the file.
    func read(_ buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws -> Int {
        var filled = 0
        while filled < buffer.count {
            let count = pread(
                descriptor, buffer.baseAddress! + filled, buffer.count - filled, off_t(offset) + off_t(filled))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw VMImageError.system("read \(path)") }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    func write(_ buffer: UnsafeRawBufferPointer, at offset: Int64) throws {
        var written = 0
        while written < buffer.count {
            let count = pwrite(
                descriptor, buffer.baseAddress! + written, buffer.count - written, off_t(offset) + off_t(written))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw VMImageError.system("write \(path)") }
            written += count
        }
    }

    func truncate(to size: Int64) throws {
        guard ftruncate(descriptor, off_t(size)) == 0 else { throw VMImageError.system("set the size of \(path)") }
    }

    /// Writes zeros.
    func clear(_ range: Range<Int64>) throws {
        let zeros = [UInt8](repeating: 0, count: 64 << 10)
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = Int(min(Int64(zeros.count), range.upperBound - offset))
            try zeros.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0[..<count]), at: offset) }
            offset += Int64(count)
        }
    }

    /// Sets the time of its last change, in nanoseconds since 1970.
    func touch(_ time: Int64) throws {
        let time = timespec(tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
        guard futimens(descriptor, [time, time]) == 0 else { throw VMImageError.system("set the time of \(path)") }
    }

    func sync() throws {
        guard fsync(descriptor) == 0 else { throw VMImageError.system("sync \(path)") }
    }

    /// Takes the file's lock, which goes with this description of it.
    /// - Returns: false when somebody else has it.
    func tryLock() throws -> Bool {
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            if errno == EINTR { continue }
            guard errno == EWOULDBLOCK else { throw VMImageError.system("lock \(path)") }
            return false
        }
        return true
    }

    /// The next stretch that holds data, from an offset on; nil when only holes follow. A file system that knows no holes
    /// has one stretch.
    func data(from offset: Int64, size: Int64) throws -> Range<Int64>? {
        guard offset < size else { return nil }
        let start = lseek(descriptor, off_t(offset), Self.seekData)
        guard start >= 0 else {
            if errno == ENXIO { return nil }
            if errno == EINVAL || errno == ENOTSUP || errno == ENOTTY { return offset..<size }
            throw VMImageError.system("find the data of \(path)")
        }
        guard start < size else { return nil }
        let end = lseek(descriptor, start, Self.seekHole)
        guard end >= 0 else { throw VMImageError.system("find the holes of \(path)") }
        return Int64(start)..<min(size, Int64(end))
    }
}

private func systemLink(_ path: String, _ place: String) -> Int32 { link(path, place) }
private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }

/// Files by path.
enum FilePlaces {
    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func isDirectory(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func move(_ path: String, to place: String) throws {
        guard rename(path, place) == 0 else { throw VMImageError.system("put \(place) in place") }
    }

    /// Gives a file one more name, where the file system can; else moves it. What has that name already is the same.
    static func link(_ path: String, to place: String) throws {
        guard systemLink(path, place) != 0, errno != EEXIST else { return }
        try move(path, to: place)
    }

    /// Succeeds when there is no such file.
    static func remove(_ path: String) throws {
        guard unlink(path) == 0 || errno == ENOENT else { throw VMImageError.system("remove \(path)") }
    }

    static func removeDirectory(_ path: String) throws {
        guard rmdir(path) == 0 || errno == ENOENT else { throw VMImageError.system("remove \(path)") }
    }

    static func sync(directory path: String) throws {
        let descriptor = systemOpen(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw VMImageError.system("open the directory \(path)") }
        defer { close(descriptor) }
        // Not every file system can; a rename is atomic there all the same.
        guard fsync(descriptor) == 0 || errno == EINVAL else {
            throw VMImageError.system("sync the directory \(path)")
        }
    }

    /// What may still be written to the file system of a directory, in bytes.
    static func space(of directory: String) throws -> Int64 {
        var facts = statvfs()
        guard statvfs(directory, &facts) == 0 else { throw VMImageError.system("look at the space of \(directory)") }
        return Int64(
            clamping: UInt64(facts.f_bavail).multipliedReportingOverflow(by: UInt64(facts.f_frsize)).partialValue)
    }

    /// What a file takes on disk, in bytes; 0 when there is none. One with several names takes nothing: it stays.
    static func allocated(_ path: String) throws -> Int64 {
        var facts = stat()
        guard stat(path, &facts) == 0 else {
            if errno == ENOENT { return 0 }
            throw VMImageError.system("look at \(path)")
        }
        return facts.st_nlink > 1 ? 0 : facts.allocated
    }

    /// - Returns: nil when there is no such file.
    static func contents(of path: String, limit: Int) throws -> [UInt8]? {
        let file: OpenFile
        do {
            file = try .reading(path)
        } catch let error as VMImageError where error.code == .notFound {
            return nil
        }
        let facts = try file.facts()
        guard facts.st_mode & S_IFMT == S_IFREG, facts.st_size <= limit else {
            throw VMImageError(.badRecord, "\(path) is no file of at most \(limit) bytes")
        }
        var bytes = [UInt8](repeating: 0, count: Int(facts.st_size))
        let count = try bytes.withUnsafeMutableBytes { try file.read($0, at: 0) }
        return Array(bytes.prefix(count))
    }
}

extension stat {
    /// What the file takes on disk, in bytes.
    var allocated: Int64 { Int64(st_blocks) * 512 }
}

extension VMImageError {
    /// What the last system call said.
    static func system(_ what: String, isMissing: Bool = false) -> VMImageError {
        let code = errno
        let kind: Code = code == ENOSPC || code == EDQUOT ? .noSpace : isMissing ? .notFound : .failed
        return VMImageError(kind, "cannot \(what): \(String(cString: strerror(code)))")
    }
}
