/// What a node is short of, as its own looks found it.
struct NodePressure: Sendable, Hashable {
    var isShortOfMemory = false
    var isShortOfDisk = false
    var isShortOfProcesses = false

    /// The node's conditions that say so.
    var conditions: [String] {
        (isShortOfMemory ? ["MemoryPressure"] : []) + (isShortOfDisk ? ["DiskPressure"] : [])
            + (isShortOfProcesses ? ["PIDPressure"] : [])
    }
}

extension NodeDescription {
    /// How the node is by what the runtime says, by its own looks, and by what becomes of it.
    var wholeHealth: NodeHealth {
        var whole = health
        whole.isShortOfMemory = whole.isShortOfMemory || pressure.isShortOfMemory
        whole.isShortOfDisk = whole.isShortOfDisk || pressure.isShortOfDisk
        whole.isShortOfProcesses = whole.isShortOfProcesses || pressure.isShortOfProcesses
        if let ending { whole.problems.insert(ending, at: 0) }
        return whole
    }
}
