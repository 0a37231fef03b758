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

    /// - Parameter directory: of the file system that holds the disks.
    func measurement(disksIn directory: String) -> Measurement {
        var measurement = Measurement(time: time)
        if let usage {
            measurement.processor = .init(total: usage.processorNanoseconds, rate: rate)
            measurement.memory = .init(
                workingSet: workingSet, usage: resident, resident: workingSet, available: available,
                pageFaults: usage.pageFaults, majorPageFaults: usage.majorPageFaults)
            measurement.processes = UInt64(processes)
            measurement.interfaces = interfaces
        }
        measurement.disk = .init(directory: directory, bytes: diskBytes, files: disks)
        return measurement
    }
}
