#if os(Linux)
import Glibc
import HostFiles
import KubeAPI

extension LocalNodeUsage {
    /// From `/proc`. Blocks for a moment. What cannot be read is left out.
    static func read(into usage: inout NodeUsage) {
        let ticks = UInt64(max(1, sysconf(Int32(_SC_CLK_TCK))))
        if let text = text("/proc/stat") { parse(stat: text, ticksPerSecond: ticks, into: &usage) }
        if let memory = text("/proc/meminfo") {
            parse(memory: memory, faults: text("/proc/vmstat") ?? "", into: &usage)
        }
        if let devices = text("/proc/net/dev") {
            usage.interfaces = interfaces(devices, outward: text("/proc/net/route").flatMap(outwardDevice))
        }
        // "0.1 0.2 0.3 1/523 4711"
        let tasks = text("/proc/loadavg")?.split(separator: " ").dropFirst(3).first?.split(separator: "/").last
        usage.processes = tasks.flatMap { Int64($0) }
        usage.mostProcesses = text("/proc/sys/kernel/pid_max").flatMap { Int64($0.filter { !$0.isWhitespace }) }
    }

    private static func text(_ path: String) -> String? {
        guard let bytes = try? SmallFile.read(path, limit: 1 << 20) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    static func parse(stat text: String, ticksPerSecond: UInt64, into usage: inout NodeUsage) {
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 2 else { continue }
            switch words[0] {
            case "cpu":
                // user nice system idle iowait irq softirq steal; the guests' time is part of the users'.
                let times = words.dropFirst().prefix(8).map { UInt64($0) ?? 0 }
                guard times.count >= 4 else { continue }
                let idle = times[3] + (times.count > 4 ? times[4] : 0)
                usage.processorNanoseconds = (times.reduce(0, +) - idle) * (1_000_000_000 / ticksPerSecond)
            case "btime": usage.booted = Int64(words[1]).map { Timestamp(seconds: $0) }
            default: continue
            }
        }
    }

    static func parse(memory text: String, faults: String, into usage: inout NodeUsage) {
        func values(_ text: String) -> [Substring: UInt64] {
            var values: [Substring: UInt64] = [:]
            for line in text.split(separator: "\n") {
                let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
                if words.count >= 2 { values[words[0]] = UInt64(words[1]) }
            }
            return values
        }
        let values = values(text)
        guard let total = values["MemTotal"], let free = values["MemFree"] else { return }
        var memory = NodeUsage.Memory()
        memory.capacity = total << 10
        let used = (total - min(free, total)) << 10
        memory.usage = used
        let reclaimable = (values["Inactive(file)"] ?? 0) << 10
        memory.workingSet = used > reclaimable ? used - reclaimable : 0
        memory.available = memory.capacity - min(memory.workingSet, memory.capacity)
        memory.resident = (values["AnonPages"] ?? 0) << 10
        for line in faults.split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2, let count = UInt64(words[1]) else { continue }
            if words[0] == "pgfault" { memory.pageFaults = count }
            if words[0] == "pgmajfault" { memory.majorPageFaults = count }
        }
        usage.memory = memory
        if let all = values["SwapTotal"], let free = values["SwapFree"] {
            usage.swap = .init(available: free << 10, usage: (all - min(free, all)) << 10)
        }
    }

    /// The device of the default route.
    /// - Parameter text: `/proc/net/route`
    static func outwardDevice(_ text: String) -> String? {
        for line in text.split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            if words.count > 7, words[1] == "00000000", words[7] == "00000000" { return String(words[0]) }
        }
        return nil
    }

    /// - Parameter text: `/proc/net/dev`
    static func interfaces(_ text: String, outward: String?) -> [NodeUsage.Interface] {
        let all = text.split(separator: "\n").compactMap { line -> NodeUsage.Interface? in
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let name = line[..<colon].filter { $0 != " " }
            let numbers = line[line.index(after: colon)...].split(separator: " ").map { UInt64($0) ?? 0 }
            // Two header lines have no numbers; loopback and other ends of pods' devices are nobody's traffic.
            guard numbers.count >= 11, name != "lo", !name.hasPrefix("veth") else { return nil }
            return .init(
                name: name, receivedBytes: numbers[0], receiveErrors: numbers[2], sentBytes: numbers[8],
                sendErrors: numbers[10])
        }
        return all.filter { $0.name == outward } + all.filter { $0.name != outward }
    }
}
#endif
