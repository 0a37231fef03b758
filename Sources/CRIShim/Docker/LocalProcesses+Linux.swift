#if os(Linux)
import Glibc

/// Processes of an engine that shares this host's PID namespace.
enum LocalProcesses {
    /// Whether a process belongs to the container: its cgroup names it.
    static func isProcess(_ process: Int, of container: String) throws -> Bool {
        guard process > 0, let cgroup = try RootDirectory.read("/proc/\(process)/cgroup") else { return false }
        return String(decoding: cgroup, as: UTF8.self).contains(container)
    }

    /// Kills a process and its descendants, if the process belongs to the container: its cgroup names it. They are
    /// stopped first, so that none can make another while the tree is read.
    /// - Returns: false when the process cannot be identified as the container's from here, and nothing was done.
    static func killTree(_ process: Int, of container: String) throws -> Bool {
        guard try isProcess(process, of: container) else { return false }
        kill(pid_t(process), SIGSTOP)
        var tree: Set = [process]
        var ordered = [process]
        while true {
            let more = try RootDirectory.entries(of: "/proc").compactMap(Int.init).filter { candidate in
                !tree.contains(candidate) && parent(of: candidate).map(tree.contains) == true
            }
            if more.isEmpty { break }
            for child in more {
                kill(pid_t(child), SIGSTOP)
                tree.insert(child)
                ordered.append(child)
            }
        }
        for member in ordered { kill(pid_t(member), SIGKILL) }
        return true
    }

    private static func parent(of process: Int) -> Int? {
        // A process that ended meanwhile has no parent to speak of.
        guard let bytes = try? RootDirectory.read("/proc/\(process)/stat"),
            let end = bytes.lastIndex(of: UInt8(ascii: ")")), end + 4 < bytes.count
        else { return nil }
        return Int(String(decoding: bytes[(end + 4)...].prefix { $0 != UInt8(ascii: " ") }, as: UTF8.self))
    }

    /// The lowest `oom_score_adj` a child of this process may be given: without CAP_SYS_RESOURCE, its own.
    static func lowestOOMScore() throws -> Int64? {
        let status = String(decoding: try RootDirectory.read("/proc/self/status") ?? [], as: UTF8.self)
        for line in status.split(separator: "\n") where line.hasPrefix("CapEff:") {
            let digits = line.dropFirst("CapEff:".count).filter { !$0.isWhitespace }
            if let effective = UInt64(digits, radix: 16), effective & (1 << 24) != 0 { return nil }
        }
        let own = String(decoding: try RootDirectory.read("/proc/self/oom_score_adj") ?? [], as: UTF8.self)
        return Int64(own.filter { !$0.isWhitespace }) ?? 0
    }
}
#endif
