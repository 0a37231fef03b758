#if os(Linux)
import Glibc

extension HostFacts {
    mutating func addIdentity() {
        machineID = Self.line("/etc/machine-id") ?? Self.line("/var/lib/dbus/machine-id") ?? ""
        bootID = Self.line("/proc/sys/kernel/random/boot_id") ?? ""
        let release = Self.lines("/etc/os-release").first { $0.hasPrefix("PRETTY_NAME=") }
        osImage = release.map { $0.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" } } ?? ""
    }

    private static func line(_ path: String) -> String? { lines(path).first.map { String($0) } }

    /// A system without such a file says nothing there.
    private static func lines(_ path: String) -> [Substring] {
        let text = (try? ProcFile.text(path)) ?? ""
        return text.split(separator: "\n")
    }
}

extension HostUsage {
    /// Blocks for a moment.
    /// - Throws: `HostFilesError`.
    public static func current() throws -> HostUsage {
        var usage = try HostUsage(stat: ProcFile.text("/proc/stat"), memory: ProcFile.text("/proc/meminfo"))
        let limits = try ["/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max"].map { try ProcFile.text($0) }
        usage.addProcesses(load: try ProcFile.text("/proc/loadavg"), limits: limits)
        return usage
    }

    /// - Parameters:
    ///   - stat: `/proc/stat`
    ///   - memory: `/proc/meminfo`
    init(stat: String, memory: String) throws {
        let line = stat.split(separator: "\n").first { $0.hasPrefix("cpu ") }
        let ticks = (line ?? "").split(separator: " ").dropFirst().prefix(8).compactMap { UInt64($0) }
        guard ticks.count == 8 else { throw HostFilesError(.failed, "/proc/stat says nothing of the processors") }
        // user, nice, system, irq, softirq, steal: neither idle nor waiting for a disk.
        let busy = [0, 1, 2, 5, 6, 7].reduce(0) { $0 + ticks[$1] }
        cpuNanoseconds = busy * (1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))))
        func value(_ name: String) throws -> UInt64 {
            let line = memory.split(separator: "\n").first { $0.hasPrefix("\(name):") }
            guard let kilobytes = (line ?? "").split(separator: " ").dropFirst().first.flatMap({ UInt64($0) }) else {
                throw HostFilesError(.failed, "/proc/meminfo says nothing of \(name)")
            }
            return kilobytes << 10
        }
        // As the kubelet counts: what is in use without the part of the cache nobody has used lately.
        let (total, free, inactive) = try (value("MemTotal"), value("MemFree"), value("Inactive(file)"))
        let used = total - min(total, free)
        memoryWorkingSetBytes = used - min(used, inactive)
        memoryAvailableBytes = total - min(total, memoryWorkingSetBytes)
    }
}

extension HostUsage {
    /// - Parameters:
    ///   - load: `/proc/loadavg`
    ///   - limits: what the smallest of bounds all of them.
    mutating func addProcesses(load: String, limits: [String]) {
        let counts = load.split(separator: " ").dropFirst(3).first?.split(separator: "/")
        let bounds = limits.compactMap { $0.split(separator: "\n").first.flatMap { UInt64($0) } }
        guard let all = counts?.last.flatMap({ UInt64($0) }), let bound = bounds.min() else { return }
        processes = all
        processLimit = bound
    }
}

/// Files of the system say that they are empty: they are read until their end.
enum ProcFile {
    static func text(_ path: String) throws -> String {
        let descriptor = systemOpen(path, O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw HostFilesError.system("read \(path)") }
        defer { _ = systemClose(descriptor) }
        var bytes: [UInt8] = []
        while case let more = try Files.read(descriptor, at: Int64(bytes.count), count: 64 << 10), !more.isEmpty {
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
#endif
