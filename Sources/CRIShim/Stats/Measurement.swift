import Proto
import VZEngine

/// What a container uses, as it was at one moment: all that statistics and metrics are made of. What nobody knows is nil.
struct Measurement: Sendable {
    struct Processor: Sendable {
        /// Nanoseconds of processor time so far: in all, in programs, in the kernel.
        var total: UInt64
        var user: UInt64?
        var kernel: UInt64?
        /// Nanoseconds of processor time in a second, since the measurement before; nil for the first.
        var rate: UInt64?
    }

    struct Memory: Sendable {
        /// What is in use and cannot simply be dropped.
        var workingSet: UInt64
        /// With what could be dropped: the cache of files.
        var usage: UInt64
        /// What belongs to no file.
        var resident: UInt64
        /// What programs could still get; nil without a limit.
        var available: UInt64?
        var pageFaults: UInt64 = 0
        var majorPageFaults: UInt64 = 0
        var cache: UInt64?
        var mapped: UInt64?
        var swap: UInt64?
        /// The most there ever was, and how often a limit was met.
        var most: UInt64?
        var failures: UInt64?
    }

    /// What went to and came from block devices.
    struct Blocks: Sendable {
        var readBytes: UInt64
        var writtenBytes: UInt64
        var reads: UInt64
        var writes: UInt64
    }

    /// What its own files take.
    struct Disk: Sendable {
        /// Of the file system that holds them.
        var directory: String
        var bytes: UInt64
        var files: UInt64?
    }

    /// Nanoseconds since 1970.
    var time: Int64 = 0
    /// nil when it does not run.
    var processor: Processor?
    var memory: Memory?
    var processes: UInt64?
    var threads: UInt64?
    /// What the kernel says of its processes, where they are this host's.
    var host: HostCounts?
    /// How often it was killed for want of memory, since that is counted.
    var outOfMemory: UInt64?
    var blocks: Blocks?
    var disk: Disk?
    /// The pod's; empty where it has no network of its own, or nobody can look at it.
    var interfaces: [InterfaceCounters] = []
}

extension Measurement {
    var cpuUsage: CRI.CpuUsage? {
        processor.map { processor in
            .init {
                $0.timestamp = time
                $0.usageCoreNanoSeconds = .init { $0.value = processor.total }
                if let rate = processor.rate { $0.usageNanoCores = .init { $0.value = rate } }
            }
        }
    }

    var memoryUsage: CRI.MemoryUsage? {
        memory.map { memory in
            .init {
                $0.timestamp = time
                $0.workingSetBytes = .init { $0.value = memory.workingSet }
                if let available = memory.available { $0.availableBytes = .init { $0.value = available } }
                $0.usageBytes = .init { $0.value = memory.usage }
                $0.rssBytes = .init { $0.value = memory.resident }
                $0.pageFaults = .init { $0.value = memory.pageFaults }
                $0.majorPageFaults = .init { $0.value = memory.majorPageFaults }
            }
        }
    }

    var swapUsage: CRI.SwapUsage? {
        memory?.swap.map { swap in
            .init {
                $0.timestamp = time
                $0.swapUsageBytes = .init { $0.value = swap }
            }
        }
    }

    var writableLayer: CRI.FilesystemUsage? {
        disk.map { disk in
            .init {
                $0.timestamp = time
                $0.fsId = .init { $0.mountpoint = disk.directory }
                $0.usedBytes = .init { $0.value = disk.bytes }
                if let files = disk.files { $0.inodesUsed = .init { $0.value = files } }
            }
        }
    }

    /// Its interfaces but the loopback, the one that leads outside first.
    var outsideInterfaces: [InterfaceCounters] {
        let all = interfaces.filter { $0.name != "lo" }
        guard let standard = all.firstIndex(where: { $0.name == "eth0" }), standard > 0 else { return all }
        return [all[standard]] + all[..<standard] + all[(standard + 1)...]
    }

    var networkUsage: CRI.NetworkUsage? {
        let all = outsideInterfaces
        guard let standard = all.first else { return nil }
        func message(_ counters: InterfaceCounters) -> CRI.NetworkInterfaceUsage {
            .init {
                $0.name = counters.name
                $0.rxBytes = .init { $0.value = counters.receivedBytes }
                $0.rxErrors = .init { $0.value = counters.receiveErrors }
                $0.txBytes = .init { $0.value = counters.sentBytes }
                $0.txErrors = .init { $0.value = counters.sendErrors }
            }
        }
        return .init {
            $0.timestamp = time
            $0.defaultInterface = message(standard)
            $0.interfaces = all.map(message)
        }
    }

    /// All of a pod's containers together: they share nothing with each other. nil when there is none.
    static func sum(_ parts: [Measurement]) -> Measurement? {
        guard let time = parts.map(\.time).max() else { return nil }
        var sum = Measurement(time: time)
        sum.interfaces = parts.lazy.map(\.interfaces).first { !$0.isEmpty } ?? []
        for part in parts {
            if let processes = part.processes { sum.processes = (sum.processes ?? 0) + processes }
            if let processor = part.processor {
                var all = sum.processor ?? Processor(total: 0)
                all.total += processor.total
                if let rate = processor.rate { all.rate = (all.rate ?? 0) + rate }
                sum.processor = all
            }
            if let memory = part.memory {
                // Only where all have a limit there is one for the pod.
                var all = sum.memory ?? Memory(workingSet: 0, usage: 0, resident: 0, available: 0)
                all.workingSet += memory.workingSet
                all.usage += memory.usage
                all.resident += memory.resident
                all.pageFaults += memory.pageFaults
                all.majorPageFaults += memory.majorPageFaults
                if let known = all.available, let more = memory.available {
                    all.available = known + more
                } else {
                    all.available = nil
                }
                sum.memory = all
            }
        }
        return sum
    }
}
