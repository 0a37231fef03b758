import KubeAPI

/// What a machine has and uses. What nobody can tell is absent.
struct NodeUsage: Sendable, Hashable {
    struct Memory: Sendable, Hashable {
        var capacity: UInt64 = 0
        var available: UInt64 = 0
        var usage: UInt64?
        /// What could not be had back at once.
        var workingSet: UInt64 = 0
        var resident: UInt64?
        var pageFaults: UInt64?
        var majorPageFaults: UInt64?
    }
    struct Swap: Sendable, Hashable {
        var available: UInt64 = 0
        var usage: UInt64 = 0
    }
    struct Interface: Sendable, Hashable {
        var name: String
        var receivedBytes: UInt64 = 0
        var receiveErrors: UInt64 = 0
        var sentBytes: UInt64 = 0
        var sendErrors: UInt64 = 0
    }

    var time: Timestamp
    var booted: Timestamp?
    var processors = 0
    /// Time all processors together worked.
    var processorNanoseconds: UInt64?
    var memory: Memory?
    var swap: Swap?
    /// The one that leads outside first.
    var interfaces: [Interface] = []
    var rootFileSystem: FileSystemUsage?
    var processes: Int64?
    var mostProcesses: Int64?
}

/// What a file system has and uses.
struct FileSystemUsage: Sendable, Hashable {
    var capacity: UInt64
    var available: UInt64
    var used: UInt64
    var inodes: UInt64
    var freeInodes: UInt64
    var usedInodes: UInt64 { inodes > freeInodes ? inodes - freeInodes : 0 }
}

/// Who knows how the node's machine is: this one, or the one the runtime is on.
protocol NodeUsageSource: Sendable {
    func usage() async throws -> NodeUsage
    /// - Returns: `nil` where there is no such directory on that machine, or nobody can look.
    func fileSystem(at path: String) async throws -> FileSystemUsage?
}
