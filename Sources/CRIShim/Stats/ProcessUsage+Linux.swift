#if os(Linux)
import Glibc

extension ProcessUsage {
    private static let ticksPerSecond = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))

    /// Blocks for a moment; also a process that stands still tells. nil when there is none.
    static func of(_ id: Int32) throws -> ProcessUsage? {
        guard let stat = try RootDirectory.read("/proc/\(id)/stat"),
            let status = try RootDirectory.read("/proc/\(id)/status")
        else { return nil }
        return parse(
            stat: String(decoding: stat, as: UTF8.self), status: String(decoding: status, as: UTF8.self),
            ticksPerSecond: ticksPerSecond)
    }

    /// - Parameters:
    ///   - stat: `/proc/<pid>/stat`
    ///   - status: `/proc/<pid>/status`; a zombie's has no memory.
    static func parse(stat: String, status: String, ticksPerSecond: UInt64) -> ProcessUsage? {
        // After the name, which may hold anything.
        guard let name = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: name)...].split(separator: " ")
        guard fields.count > 12, let faults = UInt64(fields[7]), let major = UInt64(fields[9]),
            let user = UInt64(fields[11]), let system = UInt64(fields[12])
        else { return nil }
        var usage = ProcessUsage()
        usage.processorNanoseconds = (user + system) * (1_000_000_000 / ticksPerSecond)
        usage.pageFaults = faults + major
        usage.majorPageFaults = major
        for line in status.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == ":" || $0 == " " || $0 == "\t" })
            guard words.count >= 2, let kibibytes = UInt64(words[1]) else { continue }
            switch words[0] {
            case "RssAnon": usage.ownBytes = kibibytes << 10
            case "RssShmem": usage.sharedBytes = kibibytes << 10
            case "RssFile": usage.fileBytes = kibibytes << 10
            default: continue
            }
        }
        return usage
    }
}
#endif
