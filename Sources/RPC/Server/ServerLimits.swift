/// What a client may cost the server.
public struct ServerLimits: Sendable {
    /// Of one message in either direction, in bytes.
    public var message = 16 << 20
    /// Calls at once on one connection.
    public var concurrentStreams: UInt32 = 1000
    /// Bytes of the headers of one call (what gRPC servers allow by default). nghttp2 ends a connection at 64 KiB.
    public var headers = 16 << 10
    /// RST_STREAM frames that a connection may send in `resetInterval`; beyond it is closed (rapid reset).
    public var resets = 2000
    public var resetInterval: Duration = .seconds(10)
    /// Connections at once.
    public var connections = 1000
    /// An idle TCP connection is pinged this often, and closed when the answer takes longer than `keepaliveTimeout`.
    public var keepaliveInterval: Duration = .seconds(30)
    public var keepaliveTimeout: Duration = .seconds(20)
    /// Bytes of a streaming answer that may wait for a slow caller before its handler is suspended.
    public var pendingOutput = 256 << 10

    public init() {}
}
