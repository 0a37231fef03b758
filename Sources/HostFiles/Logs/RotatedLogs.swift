#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The files a log was rotated to, named as the kubelet names them: the log's name and a time.
public struct RotatedLogs: Sendable {
    private let directory: String
    private let name: String

    /// - Parameter log: a path below `logs`.
    /// - Throws: `HostFilesError` when it is not there, or elsewhere.
    public init(of log: String, in logs: LogDirectory) throws {
        guard let place = try logs.existing(log), let slash = place.lastIndex(of: "/") else {
            throw HostFilesError(.unavailable, "there is no log \(log) to rotate")
        }
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
