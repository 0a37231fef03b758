#if canImport(Darwin)
import Darwin
import KubeAPI

extension LocalNodeUsage {
    /// Each call of it takes a right to the port: one is enough.
    private static let host = mach_host_self()

    /// What cannot be read is left out.
    static func read(into usage: inout NodeUsage) {
        usage.processorNanoseconds = processorTime()
        usage.memory = memory()
        usage.booted = bootTime()
        usage.swap = swap()
        usage.interfaces = interfaces()
        usage.mostProcesses = number("kern.maxproc")
    }

    private static func processorTime() -> UInt64? {
        var info = host_cpu_load_info()
        var count = mach_msg_type_number_t(MemoryLayout<host_cpu_load_info>.size / MemoryLayout<integer_t>.size)
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                host_statistics(host, HOST_CPU_LOAD_INFO, $0, &count)
            }
        }
        guard result == KERN_SUCCESS else { return nil }
        // user, system, idle, nice
        let ticks = info.cpu_ticks
        let worked = UInt64(ticks.0) + UInt64(ticks.1) + UInt64(ticks.3)
        return worked * (1_000_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))))
    }

    private static func memory() -> NodeUsage.Memory? {
        var info = vm_statistics64()
        var count = mach_msg_type_number_t(MemoryLayout<vm_statistics64>.size / MemoryLayout<integer_t>.size)
        let result = withUnsafeMutablePointer(to: &info) { pointer in
            pointer.withMemoryRebound(to: integer_t.self, capacity: Int(count)) {
                host_statistics64(host, HOST_VM_INFO64, $0, &count)
            }
        }
        guard result == KERN_SUCCESS, let capacity = number("hw.memsize") else { return nil }
        let page = UInt64(sysconf(Int32(_SC_PAGESIZE)))
        var memory = NodeUsage.Memory()
        memory.capacity = UInt64(clamping: capacity)
        let used = memory.capacity - min(UInt64(info.free_count) * page, memory.capacity)
        memory.usage = used
        let reclaimable = UInt64(info.external_page_count) * page
        memory.workingSet = used > reclaimable ? used - reclaimable : 0
        memory.available = memory.capacity - min(memory.workingSet, memory.capacity)
        memory.resident = UInt64(info.internal_page_count) * page
        memory.pageFaults = info.faults
        memory.majorPageFaults = info.pageins
        return memory
    }

    private static func bootTime() -> Timestamp? {
        var time = timeval()
        var size = MemoryLayout<timeval>.size
        guard sysctlbyname("kern.boottime", &time, &size, nil, 0) == 0 else { return nil }
        return Timestamp(seconds: Int64(time.tv_sec))
    }

    private static func swap() -> NodeUsage.Swap? {
        var swap = xsw_usage()
        var size = MemoryLayout<xsw_usage>.size
        guard sysctlbyname("vm.swapusage", &swap, &size, nil, 0) == 0 else { return nil }
        return .init(available: swap.xsu_avail, usage: swap.xsu_used)
    }

    private static func interfaces() -> [NodeUsage.Interface] {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return [] }
        defer { freeifaddrs(first) }
        var interfaces: [NodeUsage.Interface] = []
        var next = first
        while let entry = next?.pointee {
            next = entry.ifa_next
            guard let address = entry.ifa_addr, Int32(address.pointee.sa_family) == AF_LINK, let data = entry.ifa_data
            else { continue }
            let name = String(cString: entry.ifa_name)
            // Ethernet and wireless devices; the others belong to this machine's own machines and tunnels.
            guard name.hasPrefix("en") else { continue }
            let counts = data.assumingMemoryBound(to: if_data.self).pointee
            interfaces.append(
                .init(
                    name: name, receivedBytes: UInt64(counts.ifi_ibytes), receiveErrors: UInt64(counts.ifi_ierrors),
                    sentBytes: UInt64(counts.ifi_obytes), sendErrors: UInt64(counts.ifi_oerrors)))
        }
        return interfaces.sorted { $0.name < $1.name }
    }

    private static func number(_ name: String) -> Int64? {
        var size = 0
        guard sysctlbyname(name, nil, &size, nil, 0) == 0 else { return nil }
        if size == MemoryLayout<Int32>.size {
            var value: Int32 = 0
            return sysctlbyname(name, &value, &size, nil, 0) == 0 ? Int64(value) : nil
        }
        var value: Int64 = 0
        size = MemoryLayout<Int64>.size
        return sysctlbyname(name, &value, &size, nil, 0) == 0 ? value : nil
    }
}
#endif
