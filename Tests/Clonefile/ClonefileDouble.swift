import Glibc

/// A double of `clonefile(2)`, as its manual page has it: it makes the file that is named or nothing, never writes over one,
/// works within one file system only, and gives the clone its base's permissions. On a file system that shares blocks it
/// costs what the real one does.
public struct ClonefileDouble: Sendable {
    private static let cloneFile: UInt = 0x4004_9409  // FICLONE
    private static let data: Int32 = 3  // SEEK_DATA
    private static let hole: Int32 = 4  // SEEK_HOLE
    /// CLONE_NOFOLLOW, CLONE_NOOWNERCOPY, CLONE_ACL
    private static let knownFlags: UInt32 = 0b111

    private let copies: Bool

    /// - Parameter copies: where blocks cannot be shared the clone is a copy, which to its reader is the same; else it is
    ///   refused, as by volumes that are not APFS.
    public init(copies: Bool) { self.copies = copies }

    /// - Returns: 0, or -1 with `errno`.
    public func call(_ base: String, _ path: String, _ flags: UInt32) -> Int32 {
        let code = clone(base, path, flags)
        guard code != 0 else { return 0 }
        errno = code
        return -1
    }

    private func clone(_ base: String, _ path: String, _ flags: UInt32) -> Int32 {
        guard flags & ~Self.knownFlags == 0 else { return EINVAL }
        let source = open(base, O_RDONLY | O_CLOEXEC)
        guard source >= 0 else { return errno }
        defer { close(source) }
        var facts = stat()
        guard fstat(source, &facts) == 0 else { return errno }
        // Directories too, on a Mac; nobody here has a use for that.
        guard facts.st_mode & S_IFMT == S_IFREG else { return EINVAL }
        let target = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard target >= 0 else { return errno }
        defer { close(target) }
        var other = stat()
        guard fstat(target, &other) == 0 else { return undone(path, errno) }
        guard other.st_dev == facts.st_dev else { return undone(path, EXDEV) }
        if ioctl(target, Self.cloneFile, source) != 0 {
            guard copies else { return undone(path, ENOTSUP) }
            guard copy(source, to: target, size: facts.st_size) else { return undone(path, errno) }
        }
        guard fchmod(target, facts.st_mode & 0o7777) == 0 else { return undone(path, errno) }
        return 0
    }

    private func undone(_ path: String, _ code: Int32) -> Int32 {
        unlink(path)
        return code
    }

    /// Holes stay holes.
    private func copy(_ source: Int32, to target: Int32, size: off_t) -> Bool {
        guard ftruncate(target, size) == 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var place: off_t = 0
        while place < size {
            let start = lseek(source, place, Self.data)
            if start < 0 { return errno == ENXIO }
            let end = lseek(source, start, Self.hole)
            place = start
            while place < end {
                let count = pread(source, &buffer, min(buffer.count, Int(end - place)), place)
                guard count > 0, pwrite(target, buffer, count, place) == count else { return false }
                place += off_t(count)
            }
        }
        return true
    }
}
