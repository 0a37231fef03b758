import NIOCore

/// An error of another room that knows its gRPC status.
public protocol RPCErrorConvertible: Error {
    var rpcError: RPCError { get }
}

/// Which handler answers which method.
public struct Router: Sendable {
    enum Handler: Sendable {
        /// Decodes, calls, and answers in wire form.
        case unary(@Sendable (ByteBuffer, CallContext) throws -> Answer<any RPCMessage>)
        case streaming(@Sendable (ByteBuffer, CallContext, RawResponseWriter) async throws -> Void)
    }

    private(set) var handlers: [String: Handler] = [:]
    private(set) var services: Set<String> = []

    public init() {}

    /// Registers the handler of a unary method. It runs on the connection's event loop; see ``Answer``.
    public mutating func handle<Request, Response>(
        _ method: UnaryMethod<Request, Response>,
        _ handler: @escaping @Sendable (Request, CallContext) throws -> Answer<Response>
    ) {
        services.insert(method.service)
        handlers[method.path] = .unary { bytes, context in
            switch try handler(try decode(bytes, method.path), context) {
            case .now(let response): .now(response)
            case .encoded(let bytes): .encoded(bytes)
            case .later(let work): .later { try await work() }
            }
        }
    }

    /// Registers the handler of a server-streaming method. It runs in a task that is cancelled with the call.
    public mutating func handle<Request, Response>(
        _ method: ServerStreamingMethod<Request, Response>,
        _ handler: @escaping @Sendable (Request, CallContext, ResponseWriter<Response>) async throws -> Void
    ) {
        services.insert(method.service)
        handlers[method.path] = .streaming { bytes, context, writer in
            try await handler(try decode(bytes, method.path), context, ResponseWriter(raw: writer))
        }
    }
}

private func decode<Request: RPCMessage>(_ bytes: ByteBuffer, _ path: String) throws -> Request {
    do {
        return try bytes.withUnsafeReadableBytes { try Request(wireBytes: $0) }
    } catch {
        throw RPCError(.invalidArgument, "the request of \(path) cannot be read: \(error)", cause: error)
    }
}

/// Sends the messages of a server-streaming call.
public struct ResponseWriter<Response: RPCMessage>: Sendable {
    let raw: RawResponseWriter

    /// Sends one message. Suspends while the caller reads more slowly than this writes.
    /// - Throws: `RPCError` of code `cancelled` when the call is over, `resourceExhausted` for a message over the limit.
    public func write(_ response: Response) async throws {
        var bytes = ByteBuffer()
        try MessageDeframer.frame(response, limit: raw.messageLimit, into: &bytes)
        try await raw.write(bytes)
    }

    /// How many bytes wait because the caller has not read them.
    public var pendingBytes: Int { get async { await raw.pendingBytes() } }
}
