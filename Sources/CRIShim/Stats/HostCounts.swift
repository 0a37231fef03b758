/// What only the kernel under a container's processes tells.
struct HostCounts: Sendable, Hashable {
    var processes: UInt64 = 0
    /// Open files of all its processes together, and how many of them are sockets.
    var descriptors: UInt64 = 0
    var sockets: UInt64 = 0
    /// How many files its first process may have open; nil for no limit.
    var openFiles: UInt64?
    /// How many tasks it may have; 0 for no limit.
    var mostTasks: UInt64 = 0
}
