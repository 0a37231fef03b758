/// How a client treats its connection.
public struct RPCClientOptions: Sendable {
    /// Of one message in either direction, in bytes.
    public var messageLimit = 16 << 20
    /// Connecting, the TLS handshake included, takes no longer.
    public var connectTimeout: Duration = .seconds(10)
    /// While calls run on a silent connection the server is pinged this often. nil: never; servers of other makers end
    /// connections that ping more than every five minutes, and TCP's own keepalive finds dead hosts.
    public var keepaliveInterval: Duration?
    /// How long a ping may stay unanswered.
    public var keepaliveTimeout: Duration = .seconds(20)

    public init() {}
}
