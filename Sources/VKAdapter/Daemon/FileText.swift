import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Files of this machine's administrator: links are followed. Blocks.
enum FileText {
    /// - Returns: `nil` when there is no such file.
    static func read(_ path: String, limit: Int) throws(AdapterError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw SystemCall.failure("open", path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SystemCall.failure("look at", path) }
        guard status.isRegularFile else { throw AdapterError(.invalidArgument, "\(path) is not a file") }
        guard Int(status.st_size) <= limit else {
            throw AdapterError(.invalidArgument, "\(path) is larger than \(limit) bytes")
        }
        // One more: it may be growing.
        var bytes = [UInt8](repeating: 0, count: Int(status.st_size) + 1)
        var count = 0
        while count < bytes.count {
            let got = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + count, $0.count - count, off_t(count))
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw SystemCall.failure("read", path) }
            if got == 0 { break }
            count += got
        }
        return Array(bytes[..<count])
    }
}
