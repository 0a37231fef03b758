import KubeAPI

/// What etcd is to an API server: objects, one version for all of them that only grows, and a window of what happened.
struct Storage: Sendable {
    struct Key: Sendable, Hashable {
        var kind: ResourceKind
        var namespace: String
        var name: String
    }

    /// One change. `before` and `after` are whole objects.
    struct Change: Sendable {
        var version: Int64
        var key: Key
        var before: Value?
        var after: Value?
    }

    private(set) var version: Int64 = 1
    private(set) var objects: [Key: Value] = [:]
    private(set) var history: [Change] = []
    /// Changes up to this version are forgotten.
    private(set) var forgotten: Int64 = 0
    /// How many changes are remembered.
    var window = 1000

    func objects(of kind: ResourceKind, in namespace: String?) -> [(key: Key, value: Value)] {
        objects.filter { $0.key.kind == kind && (namespace == nil || $0.key.namespace == namespace) }
            .map { (key: $0.key, value: $0.value) }
            .sorted { ($0.key.namespace, $0.key.name) < ($1.key.namespace, $1.key.name) }
    }

    /// Writes an object, or removes it. What changes nothing gets no new version.
    /// - Returns: the object as it is kept; as it was last, with the version of its removal, when it was removed.
    @discardableResult
    mutating func put(_ key: Key, _ value: Value?) -> Value {
        let before = objects[key]
        if var value {
            value.set("metadata", "resourceVersion", to: before?.at("metadata", "resourceVersion"))
            if value.means(before) { return value }
            version += 1
            value.set("metadata", "resourceVersion", to: "\(version)")
            objects[key] = value
            remember(Change(version: version, key: key, before: before, after: value))
            return value
        }
        guard var last = before else { return Value(.null) }
        version += 1
        last.set("metadata", "resourceVersion", to: "\(version)")
        objects[key] = nil
        remember(Change(version: version, key: key, before: last, after: nil))
        return last
    }

    private mutating func remember(_ change: Change) {
        history.append(change)
        if history.count > window { forget(upTo: history[history.count - window - 1].version) }
    }

    /// Forgets what happened up to a version, as a compaction does.
    mutating func forget(upTo version: Int64) {
        forgotten = max(forgotten, version)
        history.removeAll { $0.version <= forgotten }
    }

    /// What happened after a version.
    func changes(after version: Int64) -> ArraySlice<Change> {
        // By halves: every watcher asks at every change.
        var (low, high) = (history.startIndex, history.endIndex)
        while low < high {
            let middle = low + (high - low) / 2
            if history[middle].version > version { high = middle } else { low = middle + 1 }
        }
        return history[low...]
    }
}
