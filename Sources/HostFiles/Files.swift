#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

// The system's calls, under names that Swift's own functions do not hide. All of them block.

func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }
func systemOpenAt(_ directory: Int32, _ name: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
    openat(directory, name, flags, mode)
}
func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    write(descriptor, bytes.baseAddress, bytes.count)
}

/// Whole files and parts of them.
enum Files {
    /// - Returns: nil when there is no such file.
    static func read(_ path: String, limit: Int) throws -> [UInt8]? {
        let descriptor = systemOpen(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw HostFilesError.system("open \(path)")
        }
        defer { _ = systemClose(descriptor) }
        let size = try FileFacts(descriptor).size
        guard size <= limit else { throw HostFilesError(.failed, "\(path) is larger than \(limit) bytes") }
        return try read(descriptor, at: 0, count: Int(size))
    }

    /// Up to `count` bytes; fewer when the file ends.
    static func read(_ descriptor: Int32, at offset: Int64, count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            while filled < count {
                let got = pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(offset) + off_t(filled))
                if got < 0, errno == EINTR { continue }
                guard got >= 0 else { throw HostFilesError.system("read a file") }
                if got == 0 { return }
                filled += got
            }
        }
    }
}

/// What the system says of an open file.
struct FileFacts {
    struct Identity: Hashable {
        var device: UInt64
        var inode: UInt64
    }

    let identity: Identity
    let size: Int64

    init(_ descriptor: Int32) throws {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw HostFilesError.system("look at an open file") }
        identity = Identity(device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino))
        size = Int64(status.st_size)
    }
}

extension HostFilesError {
    /// What the last system call said.
    static func system(_ what: String) -> HostFilesError {
        let code = errno
        return HostFilesError(
            code == ENOSPC || code == EDQUOT ? .noSpace : .failed, "cannot \(what): \(String(cString: strerror(code)))")
    }
}
