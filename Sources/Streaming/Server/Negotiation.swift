public import HTTP
public import Logging
import NIOCore
import NIOHTTP1

/// The channel protocols of exec and attach, newest first, with their versions.
enum ChannelProtocol {
    static let all: [(name: String, version: Int)] = [
        ("v4.channel.k8s.io", 4), ("v3.channel.k8s.io", 3), ("v2.channel.k8s.io", 2), ("channel.k8s.io", 1),
    ]
    static let portForward = "portforward.k8s.io"
    static let header = "x-stream-protocol-version"
    static let acceptedHeader = "x-accepted-stream-protocol-versions"
    static let spdy = "SPDY/3.1"
}

/// How long and how much a session may wait.
public struct StreamingLimits: Sendable {
    /// For the client to open its streams after the upgrade.
    public var streamCreation: Duration = .seconds(30)
    /// Without anything on any stream; pings do not count.
    public var idle: Duration = .seconds(4 * 3600)
    /// Between pings, which find out that a peer has vanished.
    public var keepAlive: Duration = .seconds(15)

    public init() {}
}

/// Answers a request for exec or attach: an upgrade to SPDY/3.1 or WebSocket that connects the caller to `backend`, or an
/// error that says what the request lacks.
public func serveRemoteCommand(
    _ request: HTTPRequest, options: RemoteCommandOptions, limits: StreamingLimits = .init(), logger: Logger,
    backend: @escaping RemoteCommandBackend
) -> HTTPResponse {
    if request.wantsWebSocket {
        return serveCommandOverWebSocket(request, options: options, limits: limits, logger: logger, backend: backend)
    }
    switch negotiate(request, ChannelProtocol.all.map(\.name)) {
    case .failure(let refusal): return refusal.response
    case .success(let chosen):
        return .upgrade(to: ChannelProtocol.spdy, headers: [ChannelProtocol.header: chosen]) { connection in
            let server = RemoteCommandServer(
                session: SPDYSession(connection, role: .server, streamLimit: 16, keepAlive: limits.keepAlive),
                options: options,
                version: ChannelProtocol.all.first { $0.name == chosen }?.version ?? 1, limits: limits, logger: logger)
            await server.run(backend)
        }
    }
}

/// Answers a request for port forwarding: an upgrade to SPDY/3.1, or to WebSocket that carries it, on which the caller
/// opens any number of connections; or to WebSocket with one connection for each of `ports`. `backend` serves each of them.
/// - Parameter ports: those the caller asked for, where it cannot name them later.
public func servePortForward(
    _ request: HTTPRequest, ports: [Int] = [], limits: StreamingLimits = .init(), logger: Logger,
    backend: @escaping PortForwardBackend
) -> HTTPResponse {
    if request.wantsWebSocket {
        return servePortsOverWebSocket(request, ports: ports, limits: limits, logger: logger, backend: backend)
    }
    switch negotiate(request, [ChannelProtocol.portForward]) {
    case .failure(let refusal): return refusal.response
    case .success(let chosen):
        return .upgrade(to: ChannelProtocol.spdy, headers: [ChannelProtocol.header: chosen]) { connection in
            let session = SPDYSession(connection, role: .server, keepAlive: limits.keepAlive)
            await PortForwardServer(session: session, limits: limits, logger: logger, backend: backend).run()
        }
    }
}

/// Why a request cannot become a session.
struct Refusal: Error {
    let response: HTTPResponse
}

/// - Returns: nil when the request asks for an upgrade to SPDY or WebSocket.
func refuseUnlessUpgrade(_ request: HTTPRequest) -> Refusal? {
    let spoken = "\(ChannelProtocol.spdy) or \(WebSocketHandshake.name)"
    guard let upgrade = request.upgrade else {
        return Refusal(
            response: HTTPResponse(.badRequest, text: "this address wants a connection upgrade to \(spoken)\n"))
    }
    guard request.wantsWebSocket || upgrade.lowercased() == ChannelProtocol.spdy.lowercased() else {
        return Refusal(
            response: HTTPResponse(
                .badRequest, text: "an upgrade to \(upgrade) is not possible here: use \(spoken)\n"))
    }
    return nil
}

/// The first protocol of the client's list that is spoken here.
private func negotiate(_ request: HTTPRequest, _ spoken: [String]) -> Result<String, Refusal> {
    if let refusal = refuseUnlessUpgrade(request) { return .failure(refusal) }
    // The header may come many times, and each may be a list.
    let offered = request.headers[canonicalForm: ChannelProtocol.header].map(String.init)
    guard !offered.isEmpty else {
        return .failure(
            Refusal(
                response: HTTPResponse(
                    .badRequest,
                    text:
                        "the header \(ChannelProtocol.header) is missing: offer one of \(spoken.joined(separator: ", "))\n"
                )))
    }
    guard let chosen = offered.first(where: spoken.contains) else {
        var response = HTTPResponse(
            .forbidden,
            text: "none of the offered stream protocols is spoken here: \(offered.joined(separator: ", "))\n")
        for name in spoken { response.headers.add(name: ChannelProtocol.acceptedHeader, value: name) }
        return .failure(Refusal(response: response))
    }
    return .success(chosen)
}
