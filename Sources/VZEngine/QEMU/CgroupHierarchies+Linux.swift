#if os(Linux)
import Logging

/// Where control groups are mounted.
enum CgroupHierarchies {
    /// One directory for each hierarchy that resources are counted in; none where the table cannot be read.
    static func mounted() -> [String] {
        do { return parse(try SystemFile.text("/proc/self/mountinfo")) } catch { return [] }
    }

    /// The mount points in a table of mounts, each hierarchy once.
    static func parse(_ table: String) -> [String] {
        var found: [String] = []
        for line in table.split(separator: "\n") {
            // 36 35 98:0 /root /point options … - type source options
            let halves = line.split(separator: " - ", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { continue }
            let (mount, system) = (halves[0].split(separator: " "), halves[1].split(separator: " "))
            guard mount.count > 4, let type = system.first, type == "cgroup" || type == "cgroup2" else { continue }
            found.append(String(mount[4]))
        }
        // Some hosts mount the same hierarchy twice, by both of its controllers' names.
        return found.reduce(into: []) { unique, point in if !unique.contains(point) { unique.append(point) } }
    }
}
#endif
