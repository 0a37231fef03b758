#if canImport(Darwin)
import Darwin

extension DiskCopy {
    /// Blocks as long as copying takes.
    static func contents(of base: String, to path: String) throws {
        guard copyfile(base, path, nil, copyfile_flags_t(COPYFILE_DATA | COPYFILE_DATA_SPARSE | COPYFILE_EXCL)) == 0,
            chmod(path, 0o600) == 0
        else { throw VZEngineError.system("write the disk \(path)") }
    }
}
#endif
