public import NIOCore

/// A protobuf message as this room sees it: something that has a wire form.
public protocol RPCMessage: Sendable {
    /// Decodes one message.
    /// - Throws: when the bytes are malformed or a string in them is not UTF-8.
    init(wireBytes: UnsafeRawBufferPointer) throws

    /// Appends the wire form.
    /// - Throws: when a value has no wire form (a string with a NUL byte).
    func appendWireBytes(to buffer: inout ByteBuffer) throws
}

/// A method that takes one message and answers one.
public struct UnaryMethod<Request: RPCMessage, Response: RPCMessage>: Sendable {
    /// Fully qualified, for example `runtime.v1.RuntimeService`.
    public let service: String
    public let name: String
    public var path: String { "/\(service)/\(name)" }

    public init(service: String, name: String) {
        self.service = service
        self.name = name
    }
}

/// A method that takes one message and answers any number.
public struct ServerStreamingMethod<Request: RPCMessage, Response: RPCMessage>: Sendable {
    public let service: String
    public let name: String
    public var path: String { "/\(service)/\(name)" }

    public init(service: String, name: String) {
        self.service = service
        self.name = name
    }
}

/// How a unary handler answers. A handler is called on the connection's event loop and must not block it: what it knows
/// it answers at once, without a task hop; what takes time it hands back as work.
public enum Answer<Response: Sendable>: Sendable {
    case now(Response)
    /// The response already in its wire form.
    case encoded(ByteBuffer)
    /// Runs in a task that is cancelled with the call (deadline, RST_STREAM, closed connection).
    case later(@Sendable () async throws -> Response)
}
