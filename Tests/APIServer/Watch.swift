import KubeAPI

/// Where one watcher is.
struct Watch: Sendable {
    let path: ResourcePath
    let selector: Selector
    private var version: Int64
    private var wantsInitial: Bool
    private(set) var isOver = false
    private var told: Int64 = 0
    /// The version of the last bookmark.
    private(set) var bookmarked: Int64 = 0

    init(path: ResourcePath, selector: Selector, version: Int64, wantsInitial: Bool) {
        self.path = path
        self.selector = selector
        self.version = version
        self.wantsInitial = wantsInitial
    }

    /// What has happened since, as lines without their ends.
    mutating func lines(_ storage: Storage, bookmark: Bool) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        if wantsInitial {
            wantsInitial = false
            version = storage.version
            lines = storage.objects(of: path.kind, in: path.namespace).map(\.value).filter(selector.matches).map {
                line("ADDED", $0)
            }
        } else if version < storage.forgotten {
            isOver = true
            return [
                line("ERROR", Refusal.expired("too old resource version: \(version) (\(storage.forgotten + 1))").status)
            ]
        }
        for change in storage.changes(after: version) {
            version = change.version
            guard change.key.kind == path.kind, path.namespace == nil || change.key.namespace == path.namespace else {
                continue
            }
            let was = change.before.map(selector.matches) ?? false
            switch (was, change.after) {
            case (true, nil):
                lines.append(line("DELETED", change.before))
            case (let was, let after?):
                switch (was, selector.matches(after)) {
                case (false, true): lines.append(line("ADDED", after))
                case (true, true): lines.append(line("MODIFIED", after))
                // It left the selection: as it was, at the version it left.
                case (true, false):
                    var last = change.before
                    last?.set("metadata", "resourceVersion", to: "\(change.version)")
                    lines.append(line("DELETED", last))
                case (false, false): break
                }
            case (false, nil): break
            }
        }
        if bookmark, lines.isEmpty, told != version {
            var object = Value(.object([]))
            object.set("kind", to: path.kind.kind)
            object.set("apiVersion", to: path.kind.apiVersion)
            object.set("metadata", "resourceVersion", to: "\(version)")
            lines.append(line("BOOKMARK", object))
            bookmarked = version
        }
        told = version
        return lines
    }

    private func line(_ type: String, _ object: Value?) -> [UInt8] {
        Value(.object([Member("type", Value(.string(type))), Member("object", object ?? Value(.null))])).jsonBytes()
    }
}
