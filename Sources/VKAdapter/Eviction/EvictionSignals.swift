import KubeAPI

/// What a node runs short of (kubelet `eviction`).
enum EvictionSignal: String, Sendable, CaseIterable, Hashable {
    case memory = "memory.available"
    case nodeDisk = "nodefs.available"
    case nodeInodes = "nodefs.inodesFree"
    case imageDisk = "imagefs.available"
    case imageInodes = "imagefs.inodesFree"
    case processes = "pid.available"

    /// What a pod could have asked for.
    var resource: String {
        switch self {
        case .memory: "memory"
        case .nodeDisk, .imageDisk: NodeResources.disk
        case .nodeInodes, .imageInodes: "inodes"
        case .processes: "pids"
        }
    }

    /// It counts bytes.
    var isBytes: Bool { [.memory, .nodeDisk, .imageDisk].contains(self) }
    var isDisk: Bool { ![.memory, .processes].contains(self) }
}

/// How much there is of one thing, and how much is left.
struct EvictionLevel: Sendable, Hashable {
    var capacity: UInt64
    var available: UInt64
}
