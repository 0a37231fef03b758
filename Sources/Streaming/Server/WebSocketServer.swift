public import HTTP
import Logging
import NIOCore
import NIOHTTP1

/// The subprotocols of exec and attach over WebSocket.
struct CommandSubprotocol {
    let name: String
    let version: Int
    let codec: ChannelCodec

    static let all = [
        CommandSubprotocol(name: "v5.channel.k8s.io", version: 5, codec: .raw),
        CommandSubprotocol(name: "v4.channel.k8s.io", version: 4, codec: .raw),
        CommandSubprotocol(name: "v4.base64.channel.k8s.io", version: 4, codec: .base64),
        CommandSubprotocol(name: "channel.k8s.io", version: 1, codec: .raw),
        CommandSubprotocol(name: "base64.channel.k8s.io", version: 1, codec: .base64),
    ]
    /// What a client speaks that names none.
    static let none = CommandSubprotocol(name: "", version: 1, codec: .raw)
}

/// The subprotocols of port forwarding over WebSocket.
enum PortForwardSubprotocol {
    static let raw = "v4.channel.k8s.io"
    static let base64 = "v4.base64.channel.k8s.io"
    /// SPDY's bytes in WebSocket's messages.
    static let tunnel = "SPDY/3.1+portforward.k8s.io"
    static let all = [raw, base64, tunnel]
    /// Two channels each must fit in the byte that numbers them, for base64 as printable text.
    static let portLimit = 39
}

/// The channels of exec and attach.
struct CommandChannels: CommandSession {
    enum Number {
        static let (stdin, stdout, stderr, error, resize) = (0, 1, 2, 3, 4)
    }

    let session: ChannelSession

    init(_ socket: WebSocketConnection, _ spoken: CommandSubprotocol, _ options: RemoteCommandOptions) {
        var channels = [Number.error: false]
        if options.stdin { channels[Number.stdin] = true }
        if options.stdout { channels[Number.stdout] = false }
        if options.stderr, !options.tty { channels[Number.stderr] = false }
        if options.tty { channels[Number.resize] = true }
        session = ChannelSession(
            socket, codec: spoken.codec, channels: channels, knowsCloseSignal: spoken.version >= 5)
    }

    func run() async { await session.run() }

    func streams(for options: RemoteCommandOptions, version: Int, within limit: Duration) async -> CommandStreams? {
        guard let error = session.stream(Number.error) else { return nil }
        let streams = CommandStreams(
            error: error, stdin: session.stream(Number.stdin), stdout: session.stream(Number.stdout),
            stderr: session.stream(Number.stderr), resize: session.stream(Number.resize))
        do {
            // Clients wait for it: the upgrade alone says only that somebody speaks WebSocket.
            try await (session.stream(Number.stdout) ?? session.stream(Number.stderr) ?? error).announce()
        } catch {
            return nil
        }
        return streams
    }

    func acceptNoMore() {}
    func close(within limit: Duration) async { await session.close(within: limit) }
    func abort() async { await session.abort() }
    func waitForSilence(_ limit: Duration) async { await session.waitForSilence(limit) }
}

func serveCommandOverWebSocket(
    _ request: HTTPRequest, options: RemoteCommandOptions, limits: StreamingLimits, logger: Logger,
    backend: @escaping RemoteCommandBackend
) -> HTTPResponse {
    switch WebSocketHandshake.negotiate(request, CommandSubprotocol.all.map(\.name)) {
    case .failure(let refusal): return refusal.response
    case .success(let agreed):
        let spoken = CommandSubprotocol.all.first { $0.name == agreed.subprotocol } ?? .none
        return .upgrade(to: WebSocketHandshake.name, headers: agreed.headers) { connection in
            let socket = WebSocketConnection(connection, keepAlive: limits.keepAlive)
            let server = RemoteCommandServer(
                session: CommandChannels(socket, spoken, options), options: options, version: spoken.version,
                limits: limits, logger: logger)
            await server.run(backend)
        }
    }
}

/// Whether a client wants SPDY's bytes in WebSocket's messages.
public func tunnelsPortForward(_ request: HTTPRequest) -> Bool {
    guard request.wantsWebSocket,
        case .success(let agreed) = WebSocketHandshake.negotiate(request, PortForwardSubprotocol.all)
    else { return false }
    return agreed.subprotocol == PortForwardSubprotocol.tunnel
}

/// Answers a request for which ``tunnelsPortForward(_:)`` with the bytes of a SPDY connection to the runtime.
public func servePortForwardTunnel(
    _ request: HTTPRequest, limits: StreamingLimits = .init(), to runtime: RawConnection
) -> HTTPResponse {
    switch WebSocketHandshake.negotiate(request, [PortForwardSubprotocol.tunnel]) {
    case .failure(let refusal): return refusal.response
    case .success(let agreed):
        return .upgrade(to: WebSocketHandshake.name, headers: agreed.headers) { connection in
            let tunnel = WebSocketTunnel(WebSocketConnection(connection, keepAlive: limits.keepAlive))
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await tunnel.run() }
                await tunnel.relay(runtime)
                group.cancelAll()
            }
        }
    }
}

func servePortsOverWebSocket(
    _ request: HTTPRequest, ports: [Int], limits: StreamingLimits, logger: Logger,
    backend: @escaping PortForwardBackend
) -> HTTPResponse {
    switch WebSocketHandshake.negotiate(request, PortForwardSubprotocol.all) {
    case .failure(let refusal): return refusal.response
    case .success(let agreed) where agreed.subprotocol == PortForwardSubprotocol.tunnel:
        return .upgrade(to: WebSocketHandshake.name, headers: agreed.headers) { connection in
            let tunnel = WebSocketTunnel(WebSocketConnection(connection, keepAlive: limits.keepAlive))
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await tunnel.run() }
                let session = SPDYSession(tunnel, role: .server, keepAlive: limits.keepAlive)
                await PortForwardServer(session: session, limits: limits, logger: logger, backend: backend).run()
                group.cancelAll()
            }
        }
    case .success(let agreed):
        guard !ports.isEmpty, ports.count <= PortForwardSubprotocol.portLimit else {
            return HTTPResponse(
                .badRequest,
                text: "query parameter \"port\" is required, with at most \(PortForwardSubprotocol.portLimit) ports\n")
        }
        let codec: ChannelCodec = agreed.subprotocol == PortForwardSubprotocol.base64 ? .base64 : .raw
        return .upgrade(to: WebSocketHandshake.name, headers: agreed.headers) { connection in
            let socket = WebSocketConnection(connection, keepAlive: limits.keepAlive)
            await PortChannels(socket, codec, ports: ports, limits: limits, logger: logger).run(backend)
        }
    }
}
