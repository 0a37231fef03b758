#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A file that was opened for reading. Its name may mean another by now.
public final class ReadableFile: Sendable {
    private let descriptor: Int32
    /// Bytes it had when it was opened.
    public let size: Int64

    fileprivate init(_ descriptor: Int32, size: Int64) {
        self.descriptor = descriptor
        self.size = size
    }

    deinit { _ = systemClose(descriptor) }

    /// Up to `count` bytes; none at the end. Blocks.
    public func read(at offset: Int64, count: Int) throws -> [UInt8] {
        try withExtendedLifetime(self) { try Files.read(descriptor, at: offset, count: count) }
    }
}

extension DirectoryHandle {
    /// What a name can mean to somebody who looks around.
    public enum Entry: Sendable {
        case directory(DirectoryHandle)
        case file(ReadableFile)
    }

    /// Opens what is below this directory, without waiting for a pipe and without following a link.
    /// - Returns: nil when there is nothing.
    /// - Throws: also for what is neither a directory nor a regular file.
    public func opened(_ relative: String) throws -> Entry? {
        let (parent, name) = try place(of: relative)
        guard let parent else { return nil }
        let file = systemOpenAt(parent.descriptor, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw parent.failure("open", name)
        }
        var status = stat()
        guard fstat(file, &status) == 0 else {
            let failure = parent.failure("look at", name)
            _ = systemClose(file)
            throw failure
        }
        if status.st_mode & S_IFMT == S_IFREG { return .file(ReadableFile(file, size: Int64(status.st_size))) }
        _ = systemClose(file)
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw HostFilesError(.failed, "\(parent.path)/\(name) is no regular file")
        }
        return .directory(try parent.child(name))
    }

    /// The names here and which of them are directories, sorted. Links are names that are none.
    public func listing() throws -> [(name: String, isDirectory: Bool)] {
        try names().sorted().map { name in
            var status = stat()
            let isKnown = fstatat(descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
            return (name, isKnown && status.st_mode & S_IFMT == S_IFDIR)
        }
    }
}
