#if os(Linux)
import Glibc

extension BlockSharing {
    private static let cloneFile: UInt = 0x4004_9409  // FICLONE

    /// This system's.
    public static let system = BlockSharing { base, path in
        let source = Descriptor(open(base, O_RDONLY | O_CLOEXEC))
        guard source.number >= 0 else { throw VZEngineError.system("open the disk \(base)") }
        let target = Descriptor(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
        guard target.number >= 0 else { throw VZEngineError.system("make the disk \(path)") }
        if ioctl(target.number, cloneFile, source.number) == 0 { return true }
        let code = errno
        unlink(path)
        if [EOPNOTSUPP, EXDEV, EINVAL, ENOTTY, ENOSYS, EPERM].contains(code) { return false }
        errno = code
        throw VZEngineError.system("clone \(base) to \(path)")
    }
}
#endif
