import Proto
import VZEngine

/// What a machine uses, as it was at one moment.
struct MachineMeasurement: Sendable {
    /// Nanoseconds since 1970.
    var time: Int64 = 0
    /// nil when it does not run.
    var usage: ProcessUsage?
    /// Nanoseconds of processor time in a second, since the measurement before; nil for the first.
    var rate: UInt64?
    var processes = 0
    /// What the machine's own disks take of the host's.
    var diskBytes: UInt64 = 0
    var disks: UInt64 = 0
    /// The pod's; empty where it has no network of its own.
    var interfaces: [InterfaceCounters] = []
    /// What its memory was made.
    var memoryBytes: UInt64 = 0
    /// What the guest says of itself, and when it did.
    var guest: MachineStatistics?

    /// What is in use and cannot simply be dropped.
    var workingSet: UInt64 { usage.map { $0.ownBytes + $0.sharedBytes } ?? 0 }
    var resident: UInt64 { usage.map { $0.ownBytes + $0.sharedBytes + $0.fileBytes } ?? 0 }
    /// What programs could still get: the guest knows; else what the machine has not touched.
    var available: UInt64 {
        if let bytes = guest?.availableMemoryBytes { return UInt64(clamping: bytes) }
        return memoryBytes - min(memoryBytes, workingSet)
    }

    var cpu: CRI.CpuUsage? {
        usage.map { usage in
            .init {
                $0.timestamp = time
                $0.usageCoreNanoSeconds = .init { $0.value = usage.processorNanoseconds }
                if let rate { $0.usageNanoCores = .init { $0.value = rate } }
            }
        }
    }

    var memory: CRI.MemoryUsage? {
        usage.map { usage in
            .init {
                $0.timestamp = time
                $0.workingSetBytes = .init { $0.value = workingSet }
                $0.availableBytes = .init { $0.value = available }
                $0.usageBytes = .init { $0.value = resident }
                $0.rssBytes = .init { $0.value = workingSet }
                $0.pageFaults = .init { $0.value = usage.pageFaults }
                $0.majorPageFaults = .init { $0.value = usage.majorPageFaults }
            }
        }
    }

    /// - Parameter directory: of the file system that holds the disks.
    func writableLayer(on directory: String) -> CRI.FilesystemUsage {
        .init {
            $0.timestamp = time
            $0.fsId = .init { $0.mountpoint = directory }
            $0.usedBytes = .init { $0.value = diskBytes }
            $0.inodesUsed = .init { $0.value = disks }
        }
    }

    var network: CRI.NetworkUsage? {
        let all = interfaces.filter { $0.name != "lo" }
        guard let standard = all.first(where: { $0.name == "eth0" }) ?? all.first else { return nil }
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
}
