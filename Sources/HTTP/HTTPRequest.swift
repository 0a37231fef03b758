public import NIOCore
public import NIOHTTP1
public import TLS

/// A request as its handler sees it.
public struct HTTPRequest: Sendable {
    public let method: HTTPMethod
    /// The request target as it was sent.
    public let target: String
    /// The target's path, percent-decoded once. It holds no NUL and no dot segments.
    public let path: String
    /// The target's query, decoded, in order.
    public let query: [(name: String, value: String)]
    public let headers: HTTPHeaders
    public let body: HTTPBody
    /// nil on a unix socket.
    public let remoteAddress: SocketAddress?
    public let localAddress: SocketAddress?
    /// Whom a verified client certificate names.
    public let peer: PeerIdentity?

    init(
        _ head: HTTPRequestHead, _ target: RequestTarget, body: HTTPBody, remoteAddress: SocketAddress?,
        localAddress: SocketAddress?, peer: PeerIdentity?
    ) {
        method = head.method
        self.target = head.uri
        path = target.path
        query = target.query
        headers = head.headers
        self.body = body
        self.remoteAddress = remoteAddress
        self.localAddress = localAddress
        self.peer = peer
    }

    /// A request that came over no connection.
    /// - Throws: `HTTPError` of code `invalidArgument` for a target that a server would refuse.
    public init(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: ByteBuffer = ByteBuffer(),
        remoteAddress: SocketAddress? = nil, peer: PeerIdentity? = nil
    ) throws {
        guard let parts = RequestTarget(target) else {
            throw HTTPError(.invalidArgument, "the request target \(target) is malformed")
        }
        self.init(
            HTTPRequestHead(version: .http1_1, method: method, uri: target, headers: headers), parts,
            body: HTTPBody(body),
            remoteAddress: remoteAddress, localAddress: nil, peer: peer)
    }

    /// Every value of a query parameter, in order.
    public func queryValues(_ name: String) -> [String] { query.filter { $0.name == name }.map(\.value) }

    /// The first value of a query parameter.
    public func queryValue(_ name: String) -> String? { query.first { $0.name == name }?.value }

    /// The protocol the client wants to switch to; nil when it wants none (RFC 9110, 7.8).
    public var upgrade: String? {
        guard headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" }) else { return nil }
        return headers.first(name: "upgrade")
    }
}
