/// A Kubernetes object type: one list of its fields says how it is read and how it is written. What the list does not
/// name is kept in ``unknownFields`` and written back, so nothing a user wrote is lost on the way through.
public protocol KubeModel: KubeValue {
    init()
    static var fields: Fields<Self> { get }
    /// Members this version does not know, in document order.
    var unknownFields: [Member] { get set }
}

/// The fields of a model, in the order they are written.
public struct Fields<Model: KubeModel>: Sendable {
    struct Field: Sendable {
        let name: String
        let always: Bool
        let decode: @Sendable (inout Model, Value, FieldPath) throws(DecodingIssue) -> Void
        let encode: @Sendable (Model) -> Value?
    }
    private(set) var list: [Field] = []

    public init(_ describe: (inout Fields) -> Void) { describe(&self) }

    /// Adds a field.
    /// - Parameter always: write it even when it is empty, zero or false.
    public mutating func callAsFunction<Content: KubeValue>(
        _ name: String, _ path: any WritableKeyPath<Model, Content> & Sendable, always: Bool = false
    ) {
        list.append(
            Field(
                name: name, always: always,
                decode: { (model: inout Model, value: Value, at: FieldPath) throws(DecodingIssue) in
                    model[keyPath: path] = try Content(value, at: at)
                },
                encode: { (model: Model) -> Value? in
                    always ? model[keyPath: path].encodedAlways() : model[keyPath: path].encoded()
                }))
    }
}

extension KubeModel {
    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) {
        guard case .object(let members) = value.kind else { throw path.mismatch(value, expected: "a mapping") }
        self.init()
        let fields = Self.fields.list
        for member in members {
            guard let field = fields.first(where: { $0.name == member.name }) else {
                unknownFields.append(member)
                continue
            }
            if member.value.kind == .null { continue }
            try field.decode(&self, member.value, .member(path, member.name))
        }
    }

    /// Reads the model from a whole document.
    public init(_ document: Value) throws(DecodingIssue) { try self.init(document, at: .root) }

    public func encoded() -> Value? { encodedAlways() }

    public func encodedAlways() -> Value {
        var members: [Member] = []
        for field in Self.fields.list {
            if let value = field.encode(self) { members.append(Member(field.name, value)) }
        }
        return Value(.object(members + unknownFields))
    }

    /// A model with some fields set.
    public init(_ configure: (inout Self) -> Void) {
        self.init()
        configure(&self)
    }
}
