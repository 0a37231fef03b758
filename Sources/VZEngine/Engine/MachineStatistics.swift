/// What a machine knows of itself; nil is not known.
public struct MachineStatistics: Codable, Sendable, Hashable {
    /// What the guest has of memory at present, in bytes.
    public var memoryBytes: Int64?
    /// What the guest could give to its programs, in bytes.
    public var availableMemoryBytes: Int64?
    /// Of all disks since the start, in bytes.
    public var diskReadBytes: Int64?
    public var diskWrittenBytes: Int64?
    /// What the guest was sent and has sent since the start, in bytes.
    public var networkReceivedBytes: Int64?
    public var networkSentBytes: Int64?

    public init() {}
}
