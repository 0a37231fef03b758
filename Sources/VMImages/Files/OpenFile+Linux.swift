#if os(Linux)
import CFiles
import Glibc

extension OpenFile {
    static let seekData: Int32 = 3
    static let seekHole: Int32 = 4

    /// A copy that shares its blocks with the original until one of them is written to.
    /// - Returns: nil when the file system cannot; nothing is left behind then.
    static func clone(_ source: OpenFile, to path: String) throws -> OpenFile? {
        let ficlone: UInt = 0x4004_9409
        let copy = try OpenFile.creating(path)
        if ioctl(copy.descriptor, ficlone, source.descriptor) == 0 { return copy }
        try FilePlaces.remove(path)
        return nil
    }

    /// Makes a stretch a hole. What is there reads as zeros then.
    func punch(_ range: Range<Int64>) throws {
        guard !range.isEmpty, vz_punch_hole(descriptor, off_t(range.lowerBound), off_t(range.count)) != 0 else {
            return
        }
        guard errno == EOPNOTSUPP || errno == ENOSYS else { throw VMImageError.system("make a hole in \(path)") }
        try clear(range)
    }

    /// Copies a stretch of another file without its bytes coming through here; on some file systems they share it then.
    /// - Returns: false when the system cannot.
    func take(_ range: Range<Int64>, of source: OpenFile, at offset: Int64) throws -> Bool {
        var (from, to, rest) = (off_t(range.lowerBound), off_t(offset), range.count)
        while rest > 0 {
            let count = vz_copy_file_range(source.descriptor, &from, descriptor, &to, rest)
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == ENOSPC || errno == EDQUOT { throw VMImageError.system("write \(path)") }
            guard count > 0 else { return false }
            rest -= count
        }
        return true
    }
}

extension stat {
    /// Seconds since 1970.
    var modified: Int { st_mtim.tv_sec }
    /// Nanoseconds since 1970.
    var modifiedAt: Int64 { Int64(st_mtim.tv_sec) * 1_000_000_000 + Int64(st_mtim.tv_nsec) }
}
#endif
