/// Ordered request headers or response trailers of a call. Names are lower case; a name ending in `-bin` carries
/// bytes that travel base64-encoded.
public struct Metadata: Sendable, Hashable, ExpressibleByDictionaryLiteral {
    public private(set) var entries: [(name: String, value: String)] = []

    public init() {}

    public init(dictionaryLiteral elements: (String, String)...) {
        for (name, value) in elements { add(name, value) }
    }

    /// Adds a value; a name may have several.
    public mutating func add(_ name: String, _ value: String) {
        entries.append((name.lowercased(), value))
    }

    /// Adds a value under a name that is lower case already, as all names on the wire are.
    mutating func add(lowercase name: String, _ value: String) {
        entries.append((name, value))
    }

    /// The first value of `name`.
    public subscript(name: String) -> String? {
        entries.first { $0.name == name }?.value
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.entries.elementsEqual(right.entries) { $0 == $1 }
    }

    public func hash(into hasher: inout Hasher) {
        for (name, value) in entries {
            hasher.combine(name)
            hasher.combine(value)
        }
    }
}
