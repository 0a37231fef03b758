#if canImport(Darwin)
import Darwin

extension DiskClone {
    /// - Returns: false where the file system cannot; nothing is left then.
    static func reflink(_ base: String, _ path: String) throws -> Bool {
        if clonefile(base, path, 0) == 0 {
            guard chmod(path, 0o600) == 0 else { throw VZEngineError.system("open the disk \(path)") }
            return true
        }
        if [ENOTSUP, EXDEV].contains(errno) { return false }
        throw VZEngineError.system("clone \(base) to \(path)")
    }
}
#endif
