import Docker
import VZEngine

extension Measurement {
    /// - Parameters:
    ///   - memoryLimit: in bytes; 0 is none. What the engine says is the host's memory then.
    ///   - interfaces: nil: as the engine says.
    init(_ stats: DockerContainerStats, memoryLimit: Int64, interfaces: [InterfaceCounters]?) {
        let read = Timestamps.parse(stats.read)
        time = read > 0 ? read : Timestamps.now()
        processor = .init(
            total: stats.totalNanoseconds, user: stats.userNanoseconds, kernel: stats.kernelNanoseconds)
        /// cgroup v1 says `total_` for the whole tree of groups, v2 always means that.
        func value(_ names: String...) -> UInt64? { names.lazy.compactMap { stats.memory[$0] }.first }
        if let usage = stats.memoryBytes {
            let idle = value("total_inactive_file", "inactive_file") ?? 0
            let workingSet = usage - min(usage, idle)
            var memory = Memory(
                workingSet: workingSet, usage: usage, resident: value("anon", "total_rss", "rss") ?? workingSet)
            if memoryLimit > 0 { memory.available = UInt64(memoryLimit) - min(UInt64(memoryLimit), workingSet) }
            memory.pageFaults = value("total_pgfault", "pgfault") ?? 0
            memory.majorPageFaults = value("total_pgmajfault", "pgmajfault") ?? 0
            memory.cache = value("file", "total_cache", "cache")
            memory.mapped = value("file_mapped", "total_mapped_file", "mapped_file")
            // Where nobody accounts for swap a pod has none that was given to it.
            memory.swap = value("total_swap", "swap") ?? 0
            memory.most = stats.mostMemoryBytes ?? usage
            // There is no such count on v2: cAdvisor says 0.
            memory.failures = stats.memoryFailures ?? 0
            self.memory = memory
        }
        // The engine counts tasks.
        processes = stats.processes
        threads = stats.processes
        blocks = .init(
            readBytes: stats.readBytes, writtenBytes: stats.writtenBytes, reads: stats.reads, writes: stats.writes)
        self.interfaces =
            interfaces
            ?? stats.networks.sorted { $0.key < $1.key }.map { name, counters in
                var interface = InterfaceCounters(name: name)
                interface.receivedBytes = counters.receivedBytes
                interface.receivedPackets = counters.receivedPackets
                interface.receiveErrors = counters.receiveErrors
                interface.receivedDropped = counters.receivedDropped
                interface.sentBytes = counters.sentBytes
                interface.sentPackets = counters.sentPackets
                interface.sendErrors = counters.sendErrors
                interface.sentDropped = counters.sentDropped
                return interface
            }
    }
}
