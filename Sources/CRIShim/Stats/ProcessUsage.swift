/// What a process has used of its host so far.
struct ProcessUsage: Sendable, Hashable {
    var processorNanoseconds: UInt64 = 0
    /// In the host's memory now: what is the process's alone,
    var ownBytes: UInt64 = 0
    /// what it shares with other processes through memory,
    var sharedBytes: UInt64 = 0
    /// and what comes from files.
    var fileBytes: UInt64 = 0
    var pageFaults: UInt64 = 0
    var majorPageFaults: UInt64 = 0

    /// All processes of one machine together: a guest's memory that several of them see is there once.
    static func sum(_ parts: [ProcessUsage]) -> ProcessUsage {
        parts.reduce(into: ProcessUsage()) { sum, part in
            sum.processorNanoseconds += part.processorNanoseconds
            sum.ownBytes += part.ownBytes
            sum.sharedBytes = max(sum.sharedBytes, part.sharedBytes)
            sum.fileBytes += part.fileBytes
            sum.pageFaults += part.pageFaults
            sum.majorPageFaults += part.majorPageFaults
        }
    }
}
