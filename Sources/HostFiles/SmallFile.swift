#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Files of this machine's administrator, as certificates and tokens: links are followed. Everything here blocks.
public enum SmallFile {
    /// Tells whether a file is another, or was written, since it was last looked at.
    public struct Version: Sendable, Hashable {
        private let device: UInt64
        private let inode: UInt64
        private let size: Int64
        private let seconds: Int64
        private let nanoseconds: Int64

        fileprivate init(_ status: stat) {
            device = UInt64(truncatingIfNeeded: status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            #if canImport(Glibc)
            let time = status.st_mtim
            #else
            let time = status.st_mtimespec
            #endif
            seconds = Int64(time.tv_sec)
            nanoseconds = Int64(time.tv_nsec)
        }
    }

    /// - Returns: `nil` when there is no such file.
    public static func version(_ path: String) throws(HostFilesError) -> Version? {
        var status = stat()
        if stat(path, &status) == 0 { return Version(status) }
        if errno == ENOENT { return nil }
        throw .system("look at \(path)")
    }

    /// The bytes of a file; a device or a pipe is refused without waiting for it.
    /// - Parameter limit: bytes; a larger file is refused.
    /// - Returns: `nil` when there is no such file.
    public static func read(_ path: String, limit: Int = 1 << 20) throws(HostFilesError) -> [UInt8]? {
        let descriptor = systemOpen(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .system("open \(path)")
        }
        defer { _ = systemClose(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw .system("look at \(path)") }
        guard status.st_mode & S_IFMT == S_IFREG else { throw HostFilesError(.failed, "\(path) is not a file") }
        // One more than it has: it may be growing. What the kernel makes up as it is read has no size at all.
        let bytes: [UInt8]
        let expected = status.st_size == 0 ? limit : min(Int(status.st_size), limit)
        do {
            bytes = try Files.read(descriptor, at: 0, count: expected + 1)
        } catch {
            throw HostFilesError(.failed, "cannot read \(path)", cause: error)
        }
        guard bytes.count <= limit else { throw HostFilesError(.failed, "\(path) is larger than \(limit) bytes") }
        return bytes
    }
}
