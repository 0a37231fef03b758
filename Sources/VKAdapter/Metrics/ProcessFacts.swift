#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What this process uses. Blocks for a moment.
struct ProcessFacts: Sendable, Hashable {
    var processorSeconds = 0.0
    var residentBytes: UInt64?
    var virtualBytes: UInt64?
    var openFiles: Int?
    var mostFiles: UInt64?

    static func now() -> ProcessFacts {
        var facts = ProcessFacts()
        var usage = rusage()
        if getrusage(Self.whole, &usage) == 0 {
            facts.processorSeconds = seconds(usage.ru_utime) + seconds(usage.ru_stime)
        }
        facts.readMemory()
        facts.openFiles = Self.descriptors()
        var limit = rlimit()
        if getrlimit(Self.fileLimit, &limit) == 0 { facts.mostFiles = UInt64(limit.rlim_cur) }
        return facts
    }

    private static func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }

    func write(to text: inout PrometheusText, started: Double) {
        text.one(
            "process_cpu_seconds_total", .counter, "Total user and system CPU time spent in seconds.", processorSeconds)
        if let mostFiles {
            text.one("process_max_fds", .gauge, "Maximum number of open file descriptors.", Double(mostFiles))
        }
        if let openFiles {
            text.one("process_open_fds", .gauge, "Number of open file descriptors.", Double(openFiles))
        }
        if let residentBytes {
            text.one("process_resident_memory_bytes", .gauge, "Resident memory size in bytes.", Double(residentBytes))
        }
        text.one(
            "process_start_time_seconds", .gauge, "Start time of the process since unix epoch in seconds.", started)
        if let virtualBytes {
            text.one("process_virtual_memory_bytes", .gauge, "Virtual memory size in bytes.", Double(virtualBytes))
        }
    }
}
