/// What a node is short of, as its own looks found it.
struct NodePressure: Sendable, Hashable {
    var isShortOfMemory = false
    var isShortOfDisk = false
}

extension NodeDescription {
    /// How the node is by what the runtime says, by its own looks, and by what becomes of it.
    var wholeHealth: NodeHealth {
        var whole = health
        whole.isShortOfMemory = whole.isShortOfMemory || pressure.isShortOfMemory
        whole.isShortOfDisk = whole.isShortOfDisk || pressure.isShortOfDisk
        if let ending { whole.problems.insert(ending, at: 0) }
        return whole
    }
}
