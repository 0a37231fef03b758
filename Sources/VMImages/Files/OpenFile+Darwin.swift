#if canImport(Darwin)
import Darwin

extension OpenFile {
    static let seekData: Int32 = SEEK_DATA
    static let seekHole: Int32 = SEEK_HOLE

    /// A copy that shares its blocks with the original until one of them is written to.
    /// - Returns: nil when the file system cannot; nothing is left behind then.
    static func clone(_ source: OpenFile, to path: String) throws -> OpenFile? {
        guard fclonefileat(source.descriptor, AT_FDCWD, path, UInt32(CLONE_NOOWNERCOPY)) == 0 else { return nil }
        // The mode is the original's, which may be read only.
        guard chmod(path, 0o600) == 0 else { throw VMImageError.system("set the mode of \(path)") }
        return try OpenFile.reading(path)
    }

    /// Makes a stretch a hole. What is there reads as zeros then.
    func punch(_ range: Range<Int64>) throws {
        // Holes are made of whole blocks.
        let block: Int64 = 4096
        let start = (range.lowerBound + block - 1) / block * block
        let end = range.upperBound / block * block
        var hole = fpunchhole_t(fp_flags: 0, reserved: 0, fp_offset: off_t(start), fp_length: off_t(end - start))
        guard start < end, fcntl(descriptor, F_PUNCHHOLE, &hole) == 0 else { return try clear(range) }
        try clear(range.lowerBound..<start)
        try clear(end..<range.upperBound)
    }

    /// Copies a stretch of another file without its bytes coming through here.
    /// - Returns: false: files are cloned as a whole only.
    func take(_ range: Range<Int64>, of source: OpenFile, at offset: Int64) throws -> Bool { false }
}

extension stat {
    /// Seconds since 1970.
    var modified: Int { st_mtimespec.tv_sec }
    /// Nanoseconds since 1970.
    var modifiedAt: Int64 { Int64(st_mtimespec.tv_sec) * 1_000_000_000 + Int64(st_mtimespec.tv_nsec) }
}
#endif
