/// Something a field of a Kubernetes object can hold.
public protocol KubeValue: Sendable, Hashable {
    /// Reads the value.
    /// - Throws: when the node has another type than the API says.
    init(_ value: Value, at path: FieldPath) throws(DecodingIssue)

    /// The JSON form; `nil` when an API server would leave the field out (`omitempty`).
    func encoded() -> Value?

    /// The JSON form when the field is always written.
    func encodedAlways() -> Value
}

extension KubeValue {
    public func encodedAlways() -> Value { encoded() ?? Value(.null) }
}

extension String: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        guard case .string(let text) = value.kind else { throw path.mismatch(value, expected: "a string") }
        self = text
    }
    public func encoded() -> Value? { isEmpty ? nil : encodedAlways() }
    public func encodedAlways() -> Value { Value(.string(self)) }
}

extension Bool: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        guard case .bool(let flag) = value.kind else { throw path.mismatch(value, expected: "true or false") }
        self = flag
    }
    public func encoded() -> Value? { self ? encodedAlways() : nil }
    public func encodedAlways() -> Value { Value(.bool(self)) }
}

extension Int64: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        switch value.kind {
        case .int(let number): self = number
        case .double(let number) where number == number.rounded() && abs(number) < 9e15: self = Int64(number)
        default: throw path.mismatch(value, expected: "a whole number")
        }
    }
    public func encoded() -> Value? { self == 0 ? nil : encodedAlways() }
    public func encodedAlways() -> Value { Value(.int(self)) }
}

extension Int32: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        guard let number = Int32(exactly: try Int64(value, at: path)) else {
            throw path.issue(value, "the number does not fit into 32 bits")
        }
        self = number
    }
    public func encoded() -> Value? { self == 0 ? nil : encodedAlways() }
    public func encodedAlways() -> Value { Value(.int(Int64(self))) }
}

extension Value: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) { self = value }
    public func encoded() -> Value? { self }
}

extension Optional: KubeValue where Wrapped: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) { self = try Wrapped(value, at: path) }
    public func encoded() -> Value? { self?.encodedAlways() }
}

extension Array: KubeValue where Element: KubeValue {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        guard case .array(let values) = value.kind else { throw path.mismatch(value, expected: "a list") }
        self = []
        reserveCapacity(values.count)
        for (index, element) in values.enumerated() { append(try Element(element, at: .index(path, index))) }
    }
    public func encoded() -> Value? { isEmpty ? nil : encodedAlways() }
    public func encodedAlways() -> Value { Value(.array(map { $0.encodedAlways() })) }
}

extension Dictionary: KubeValue where Key == String, Value: KubeValue {
    public init(_ value: KubeAPI.Value, at path: FieldPath) throws(DecodingIssue) {
        guard case .object(let members) = value.kind else { throw path.mismatch(value, expected: "a mapping") }
        self = [:]
        for member in members { self[member.name] = try Value(member.value, at: .member(path, member.name)) }
    }
    public func encoded() -> KubeAPI.Value? { isEmpty ? nil : encodedAlways() }
    public func encodedAlways() -> KubeAPI.Value {
        KubeAPI.Value(.object(sorted { $0.key < $1.key }.map { Member($0.key, $0.value.encodedAlways()) }))
    }
}

/// A string with well-known values that stays open: a value from a newer Kubernetes survives.
public protocol OpenString: KubeValue, RawRepresentable, ExpressibleByStringLiteral, CustomStringConvertible
where RawValue == String {
    init(rawValue: String)
}

extension OpenString {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        self.init(rawValue: try String(value, at: path))
    }
    public init(stringLiteral: String) { self.init(rawValue: stringLiteral) }
    public func encoded() -> Value? { rawValue.encoded() }
    public func encodedAlways() -> Value { rawValue.encodedAlways() }
    public var description: String { rawValue }
}
