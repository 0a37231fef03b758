#if os(Linux)
import Glibc

extension HostCounts {
    /// Blocks for a moment.
    /// - Parameter process: a process of the container, as this host numbers it.
    /// - Returns: nil when it is none, or its control group cannot be found from here.
    static func of(_ container: String, process: Int) throws -> HostCounts? {
        guard process > 0, let cgroup = try RootDirectory.read("/proc/\(process)/cgroup"),
            let limits = try RootDirectory.read("/proc/\(process)/limits"),
            let group = directories(String(decoding: cgroup, as: UTF8.self), container).first(where: {
                access($0 + "/cgroup.procs", R_OK) == 0
            })
        else { return nil }
        var counts = HostCounts()
        let members = String(decoding: try RootDirectory.read(group + "/cgroup.procs") ?? [], as: UTF8.self)
        for member in members.split(separator: "\n") { try counts.add("/proc/\(member)/fd") }
        counts.openFiles = openFiles(String(decoding: limits, as: UTF8.self))
        let most = try RootDirectory.read(group + "/pids.max") ?? []
        counts.mostTasks = UInt64(String(decoding: most, as: UTF8.self).filter { !$0.isWhitespace }) ?? 0
        return counts
    }

    /// Where the control group of a process may be mounted, if it is the container's.
    /// - Parameter text: `/proc/<pid>/cgroup`: `7:pids:/docker/<id>`, or `0::/docker/<id>` of version 2.
    static func directories(_ text: String, _ container: String) -> [String] {
        let lines = text.split(separator: "\n").compactMap { line -> (controllers: Substring, path: Substring)? in
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            guard parts.count == 3, parts[2].contains(container) else { return nil }
            return (parts[1], parts[2])
        }
        let pids = lines.filter { $0.controllers == "pids" }.map { "/sys/fs/cgroup/pids\($0.path)" }
        let unified = lines.filter(\.controllers.isEmpty)
            .flatMap { ["/sys/fs/cgroup\($0.path)", "/sys/fs/cgroup/unified\($0.path)"] }
        return pids + unified
    }

    /// - Parameter text: `/proc/<pid>/limits`
    static func openFiles(_ text: String) -> UInt64? {
        let name = "Max open files"
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
        return line.dropFirst(name.count).split(separator: " ").first.flatMap { UInt64($0) }
    }

    private mutating func add(_ directory: String) throws {
        guard let listing = opendir(directory) else { return }  // it has ended meanwhile
        defer { closedir(listing) }
        processes += 1
        let descriptor = dirfd(listing)
        var target = [CChar](repeating: 0, count: 16)
        while let entry = readdir(listing) {
            let count = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { name in
                    name[0] == CChar(46) ? -1 : readlinkat(descriptor, name, &target, target.count)
                }
            }
            guard count > 0 else { continue }
            descriptors += 1
            if target.starts(with: [115, 111, 99, 107, 101, 116, 58]) { sockets += 1 }  // socket:
        }
    }
}
#endif
