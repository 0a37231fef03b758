#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The files a log was rotated to, named as the kubelet names them: the log's name and a time.
public struct RotatedLogs: Sendable {
    private let directory: String
    private let name: String

    /// - Parameters:
    ///   - log: a path below `logs`; elsewhere it is refused.
    ///   - bytes: one that is not larger need not be rotated.
    /// - Returns: nil for one that is not there or not that large, and for what is no file: a link to a log of somebody
    ///   else's is rotated by them.
    /// - Throws: `HostFilesError`.
    public init?(of log: String, in logs: LogDirectory, largerThan bytes: UInt64) throws {
        guard let place = try logs.existing(log), let slash = place.lastIndex(of: "/") else { return nil }
        var status = stat()
        guard lstat(log, &status) == 0 else {
            if errno == ENOENT { return nil }
            throw HostFilesError.system("look at the log \(log)")
        }
        guard status.isRegularFile, status.st_size > Int64(clamping: bytes) else { return nil }
        directory = String(place[..<slash])
        name = String(place[place.index(after: slash)...])
    }

    /// Gives the log another name, and removes the oldest of those that have one. Blocks.
    /// - Parameter keeping: how many of them stay, the new one among them; one at least.
    public func makeRoom(keeping: Int) throws {
        let handle = try DirectoryHandle.openResolved(directory)
        try handle.rename(name, to: "\(name).\(Self.stamp())")
        // Times sort as texts do.
        let old = try handle.names().filter { $0.hasPrefix(name + ".") }.sorted()
        for name in old.dropLast(max(1, keeping)) { try handle.remove(name) }
    }

    /// `20060102-150405`, with a fraction: two rotations in one second are two files.
    private static func stamp() -> String {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        var parts = tm()
        var seconds = now.tv_sec
        gmtime_r(&seconds, &parts)
        func digits(_ value: Int, _ count: Int) -> String {
            let text = String(value)
            return String(repeating: "0", count: max(0, count - text.count)) + text
        }
        let date =
            digits(Int(parts.tm_year) + 1900, 4) + digits(Int(parts.tm_mon) + 1, 2) + digits(Int(parts.tm_mday), 2)
        let time = digits(Int(parts.tm_hour), 2) + digits(Int(parts.tm_min), 2) + digits(Int(parts.tm_sec), 2)
        return "\(date)-\(time).\(digits(Int(now.tv_nsec), 9))"
    }
}
