public import NIOCore

/// What a handler knows of its call.
public struct CallContext: Sendable {
    /// The request path, `/package.Service/Method`.
    public let method: String
    public let metadata: Metadata
    /// When the caller stops waiting; nil when it named no time.
    public let deadline: NIODeadline?
    public let peer: Peer
    /// The address the connection came in on; nil on a unix socket.
    public let localAddress: SocketAddress?
    public let eventLoop: any EventLoop
}

/// Who called.
public struct Peer: Sendable {
    /// nil on a unix socket.
    public let address: SocketAddress?
    /// The name a client certificate proved; nil without one.
    public let identity: String?
}
