#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension DirectoryHandle {
    /// Opens a directory by an absolute path in which there were no links when it was resolved: one that is there now was made
    /// since, and is refused.
    /// - Throws: `HostFilesError`, `escapes` for a link.
    public static func openResolved(_ path: String) throws -> DirectoryHandle {
        guard path.hasPrefix("/") else { throw HostFilesError(.escapes, "\(path) is not absolute") }
        let root = try open("/")
        return path == "/" ? root : try root.directory(String(path.dropFirst()))
    }

    /// Gives a file in this directory another name elsewhere; a link is given one as a link.
    /// - Parameter place: is trusted.
    /// - Returns: nil when it has it, else why the system refuses.
    public func link(_ name: String, at place: String) throws -> Int32? {
        guard try Self.components(name).count == 1 else { throw HostFilesError(.escapes, "\(name) is no name") }
        return linkat(descriptor, name, AT_FDCWD, place, 0) == 0 ? nil : errno
    }

    /// A directory's descriptor for calls of the system's, for as long as `body` runs.
    public func withDescriptor<R>(_ body: (Int32) throws -> R) rethrows -> R {
        try withExtendedLifetime(self) { try body(descriptor) }
    }
}
