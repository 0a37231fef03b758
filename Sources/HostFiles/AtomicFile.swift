#if canImport(Glibc)
public import Glibc
#else
public import Darwin
#endif

/// Files that are there whole or not at all.
public enum AtomicFile {
    /// Writes to a temporary name, syncs, renames, and syncs the directory. Blocks.
    /// - Throws: `HostFilesError`; a file that was there before is unchanged then.
    public static func write(_ bytes: [UInt8], to path: String, mode: mode_t) throws {
        let temporary = "\(path).\(getpid()).\(UInt32.random(in: 0...UInt32.max)).tmp"
        let descriptor = systemOpen(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard descriptor >= 0 else { throw HostFilesError.system("write \(path)") }
        do {
            try write(bytes, to: descriptor, path)
            guard fsync(descriptor) == 0 else { throw HostFilesError.system("write \(path)") }
            guard rename(temporary, path) == 0 else { throw HostFilesError.system("put \(path) in place") }
        } catch {
            _ = systemClose(descriptor)
            unlink(temporary)
            throw error
        }
        _ = systemClose(descriptor)
        try Directories.sync(path.lastIndex(of: "/").map { String(path[..<$0]) } ?? ".")
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32, _ path: String) throws {
        try bytes.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = systemWrite(descriptor, UnsafeRawBufferPointer(rebasing: rest))
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw HostFilesError.system("write \(path)") }
                rest = rest.dropFirst(count)
            }
        }
    }
}
