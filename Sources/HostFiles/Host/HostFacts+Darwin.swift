#if canImport(Darwin)
import Darwin

extension HostFacts {
    mutating func addIdentity() {
        var id = [UInt8](repeating: 0, count: 16)
        var wait = timespec(tv_sec: 5, tv_nsec: 0)
        if gethostuuid(&id, &wait) == 0 {
            let digits = id.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
            machineID = [digits[0..<4], digits[4..<6], digits[6..<8], digits[8..<10], digits[10..<16]]
                .map { $0.joined() }.joined(separator: "-")
        }
        bootID = Self.value("kern.bootsessionuuid") ?? ""
        osImage = Self.value("kern.osproductversion").map { "macOS \($0)" } ?? ""
    }

    private static func value(_ name: String) -> String? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0, size > 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        guard sysctlbyname(name, &bytes, &size, nil, 0) == 0 else { return nil }
        return String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
}

extension HostUsage {
    /// Asked for once: every time gives the process another right to it.
    private static let host = mach_host_self()

    /// Blocks for a moment.
    /// - Throws: `HostFilesError`.
    public static func current() throws -> HostUsage {
        var load = host_cpu_load_info()
        var count = mach_msg_type_number_t(MemoryLayout<host_cpu_load_info>.size / MemoryLayout<integer_t>.size)
        var result = withUnsafeMutablePointer(to: &load) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                host_statistics(Self.host, HOST_CPU_LOAD_INFO, $0, &count)
            }
        }
        guard result == KERN_SUCCESS else {
            throw HostFilesError(.failed, "this host does not say what its processors do (code \(result))")
        }
        var memory = vm_statistics64()
        count = mach_msg_type_number_t(MemoryLayout<vm_statistics64>.size / MemoryLayout<integer_t>.size)
        result = withUnsafeMutablePointer(to: &memory) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                host_statistics64(Self.host, HOST_VM_INFO64, $0, &count)
            }
        }
        guard result == KERN_SUCCESS else {
            throw HostFilesError(.failed, "this host does not say what its memory does (code \(result))")
        }
        var usage = HostUsage()
        // user, system, idle, nice
        let busy = UInt64(load.cpu_ticks.0) + UInt64(load.cpu_ticks.1) + UInt64(load.cpu_ticks.3)
        usage.cpuNanoseconds = busy * (1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))))
        let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        let used = UInt64(memory.active_count) + UInt64(memory.wire_count) + UInt64(memory.compressor_page_count)
        let total = UInt64(sysconf(Int32(_SC_PHYS_PAGES))) * page
        usage.memoryWorkingSetBytes = min(total, used * page)
        usage.memoryAvailableBytes = total - usage.memoryWorkingSetBytes
        var limit: Int32 = 0
        var size = MemoryLayout<Int32>.size
        let all = proc_listallpids(nil, 0)
        if all > 0, sysctlbyname("kern.maxproc", &limit, &size, nil, 0) == 0, limit > 0 {
            usage.processes = UInt64(all)
            usage.processLimit = UInt64(limit)
        }
        return usage
    }
}
#endif
