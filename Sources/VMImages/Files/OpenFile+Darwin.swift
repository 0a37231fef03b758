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
}
#endif
