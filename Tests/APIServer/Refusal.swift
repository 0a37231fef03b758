import KubeAPI

/// An answer that says no, as an API server words it.
public struct Refusal: Error, Sendable {
    public var code: Int32
    public var reason: String
    public var message: String
    /// Seconds.
    public var retryAfter: Int?

    public init(_ code: Int32, _ reason: String, _ message: String, retryAfter: Int? = nil) {
        self.code = code
        self.reason = reason
        self.message = message
        self.retryAfter = retryAfter
    }

    var status: Value { Status.failure(code: code, reason: reason, message: message).encodedAlways() }

    static func notFound(_ kind: ResourceKind, _ name: String) -> Refusal {
        Refusal(404, "NotFound", "\(kind.qualified) \"\(name)\" not found")
    }
    static func conflict(_ kind: ResourceKind, _ name: String, _ why: String) -> Refusal {
        Refusal(409, "Conflict", "Operation cannot be fulfilled on \(kind.qualified) \"\(name)\": \(why)")
    }
    static func exists(_ kind: ResourceKind, _ name: String) -> Refusal {
        Refusal(409, "AlreadyExists", "\(kind.qualified) \"\(name)\" already exists")
    }
    static func invalid(_ message: String) -> Refusal { Refusal(422, "Invalid", message) }
    static func bad(_ message: String) -> Refusal { Refusal(400, "BadRequest", message) }
    static func forbidden(_ message: String) -> Refusal { Refusal(403, "Forbidden", message) }
    static func expired(_ message: String) -> Refusal { Refusal(410, "Expired", message) }
}
