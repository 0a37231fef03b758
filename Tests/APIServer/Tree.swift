import KubeAPI

/// Reading and changing parts of a document.
extension Value {
    /// The member at a path of names.
    func at(_ path: String...) -> Value? {
        path.reduce(Optional(self)) { value, name in value?[name] }
    }

    /// Whether both mean the same: the order of members does not count.
    func means(_ other: Value?) -> Bool { canonicalJSONBytes() == other?.canonicalJSONBytes() }

    var int: Int64? {
        guard case .int(let number) = kind else { return nil }
        return number
    }

    /// Sets, adds or (with `nil`) removes a member of an object; a chain of objects that are not there is made.
    mutating func set(_ path: [String], _ value: Value?) {
        guard let name = path.first else { return }
        var members: [Member] = if case .object(let members) = kind { members } else { [] }
        let index = members.firstIndex { $0.name == name }
        var inner = value
        if path.count > 1 {
            if value == nil, index == nil { return }
            var child = index.map { members[$0].value } ?? Value(.object([]))
            child.set(Array(path.dropFirst()), value)
            inner = child
        }
        switch (index, inner) {
        case (let index?, let inner?): members[index].value = inner
        case (let index?, nil): members.remove(at: index)
        case (nil, let inner?): members.append(Member(name, inner))
        case (nil, nil): break
        }
        kind = .object(members)
    }

    mutating func set(_ path: String..., to value: Value?) { set(path, value) }
    mutating func set(_ path: String..., to text: String) { set(path, Value(.string(text))) }
    mutating func set(_ path: String..., to number: Int64) { set(path, Value(.int(number))) }
}
