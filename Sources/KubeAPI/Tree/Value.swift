/// One node of a JSON or YAML document, as it was read: what every model is decoded from and encoded to.
public struct Value: Sendable, Hashable {
    /// What the node is.
    public enum Kind: Sendable, Hashable {
        case null
        case bool(Bool)
        case int(Int64)
        case double(Double)
        case string(String)
        case array([Value])
        case object([Member])
    }

    public var kind: Kind
    /// The line of the document it starts on, from 1; 0 when it was not read from a document. No part of equality.
    public var line: Int

    public init(_ kind: Kind, line: Int = 0) {
        self.kind = kind
        self.line = line
    }

    public static func == (left: Value, right: Value) -> Bool { left.kind == right.kind }
    public func hash(into hasher: inout Hasher) { hasher.combine(kind) }

    /// The member `name` of an object; `nil` when there is none, or when this is no object.
    public subscript(name: String) -> Value? {
        guard case .object(let members) = kind else { return nil }
        return members.last { $0.name == name }?.value
    }

    /// The text of a string node.
    public var string: String? {
        guard case .string(let text) = kind else { return nil }
        return text
    }

    /// The elements of an array node.
    public var array: [Value]? {
        guard case .array(let values) = kind else { return nil }
        return values
    }

    /// How a person calls this kind of node.
    var kindName: String {
        switch kind {
        case .null: "null"
        case .bool: "a boolean"
        case .int, .double: "a number"
        case .string: "a string"
        case .array: "a list"
        case .object: "a mapping"
        }
    }
}

/// One name and value of an object, in document order.
public struct Member: Sendable, Hashable {
    public var name: String
    public var value: Value

    public init(_ name: String, _ value: Value) {
        self.name = name
        self.value = value
    }
}

/// Why a node is not what its field needs.
public struct DecodingIssue: Error, Sendable, Hashable, CustomStringConvertible {
    /// The field, as `spec.containers[0].image`; empty for the document itself.
    public var path: String
    /// From 1; 0 when unknown.
    public var line: Int
    public var reason: String

    public init(path: String, line: Int, reason: String) {
        self.path = path
        self.line = line
        self.reason = reason
    }

    public var description: String { path.isEmpty ? reason : "\(path): \(reason)" }
}

/// Where in a document the decoder is. Only rendered when something is wrong.
public indirect enum FieldPath: Sendable {
    case root
    case member(FieldPath, String)
    case index(FieldPath, Int)

    var text: String {
        switch self {
        case .root: ""
        case .member(.root, let name): name
        case .member(let parent, let name): "\(parent.text).\(name)"
        case .index(let parent, let index): "\(parent.text)[\(index)]"
        }
    }

    func issue(_ value: Value, _ reason: String) -> DecodingIssue {
        DecodingIssue(path: text, line: value.line, reason: reason)
    }

    func mismatch(_ value: Value, expected: String) -> DecodingIssue {
        var reason = "expected \(expected), found \(value.kindName)"
        switch (expected, value.kind) {
        case ("a string", .bool), ("a string", .int), ("a string", .double): reason += " (put it in quotes)"
        default: break
        }
        return issue(value, reason)
    }
}
