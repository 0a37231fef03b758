#if canImport(Darwin)
import Darwin

extension DiskCopy {
    /// Blocks as long as copying takes.
    static func contents(of base: String, to path: String) throws {
        let flags = copyfile_flags_t(COPYFILE_DATA | COPYFILE_DATA_SPARSE | COPYFILE_EXCL)
        guard copyfile(base, path, nil, flags) == 0, chmod(path, 0o600) == 0 else {
            let failure = VZEngineError.system("write the disk \(path)")
            if errno != EEXIST { unlink(path) }
            throw failure
        }
    }
}
#endif
