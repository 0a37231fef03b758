#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The directory below which logs of pods are, for callers that are not to reach anything else. All of it blocks.
public struct LogDirectory: Sendable {
    public let path: String

    /// - Parameter path: absolute, and trusted.
    public init(path: String) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Where a log is, links resolved.
    /// - Returns: nil when there is none.
    /// - Throws: `escapes` when it is not below the directory.
    public func existing(_ log: String) throws(HostFilesError) -> String? {
        _ = try relative(log)
        guard try SystemFiles.status(log) != nil else { return nil }
        let (place, root) = try (SystemFiles.realPath(log), SystemFiles.realPath(path))
        guard place.hasPrefix(root == "/" ? root : root + "/") else {
            throw HostFilesError(.escapes, "\(log) is a link that leads out of \(path), where logs are")
        }
        return place
    }

    /// Removes a log, or a directory of logs; nothing there is fine. Links are removed, not followed.
    public func remove(_ log: String) throws {
        let relative = try relative(log)
        guard try SystemFiles.status(path) != nil else { return }
        try DirectoryHandle.open(path).remove(relative)
    }

    private func relative(_ log: String) throws(HostFilesError) -> String {
        let prefix = path == "/" ? path : path + "/"
        guard log.hasPrefix(prefix), log.utf8.count <= 4095 else {
            throw HostFilesError(.escapes, "\"\(log.prefix(300))\" is not below \(path), where logs are")
        }
        let relative = String(log.dropFirst(prefix.count))
        do {
            _ = try DirectoryHandle.components(relative)
        } catch {
            throw HostFilesError(.escapes, "\"\(log)\" is no plain path below \(path)", cause: error)
        }
        return relative
    }
}
