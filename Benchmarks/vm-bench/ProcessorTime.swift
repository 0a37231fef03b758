import Measuring

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Processor time as the system counts it. Reads /proc: Linux only.
enum ProcessorTime {
    /// Seconds used so far by every process whose command line (its arguments end with NUL) is meant.
    static func of(_ isMeant: (String) -> Bool) throws -> Double {
        guard let listing = opendir("/proc") else { throw BenchError(description: "there is no /proc here") }
        defer { closedir(listing) }
        var total = 0.0
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let id = Int32(name), let line = read("/proc/\(name)/cmdline"), isMeant(line) else { continue }
            total += of(id)
        }
        return total
    }

    static func of(_ id: Int32) -> Double {
        guard let text = read("/proc/\(id)/stat"), let name = text.lastIndex(of: ")") else { return 0 }
        let fields = text[text.index(after: name)...].split(separator: " ")
        // proc(5): utime and stime are fields 14 and 15; the state after the name is field 3.
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    /// Of children that have ended and were waited for.
    static var ofChildren: Double {
        var usage = rusage()
        #if canImport(Glibc)
        getrusage(RUSAGE_CHILDREN.rawValue, &usage)
        #else
        getrusage(RUSAGE_CHILDREN, &usage)
        #endif
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 65536)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}
