public import HTTP
public import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// A command that waits for its caller.
public struct RemoteCommand: Sendable {
    let options: RemoteCommandOptions
    let backend: RemoteCommandBackend

    public init(options: RemoteCommandOptions, backend: @escaping RemoteCommandBackend) {
        self.options = options
        self.backend = backend
    }
}

/// Port forwarding that waits for its caller.
public struct PortForward: Sendable {
    let ports: [Int]
    let backend: PortForwardBackend

    /// - Parameter ports: those a caller over WebSocket's channels is connected to.
    public init(ports: [Int] = [], backend: @escaping PortForwardBackend) {
        self.ports = ports
        self.backend = backend
    }
}

/// What a streaming URL was made for.
public enum StreamingRequest: Sendable {
    case exec(RemoteCommand)
    case attach(RemoteCommand)
    case portForward(PortForward)

    var kind: String {
        switch self {
        case .exec: "exec"
        case .attach: "attach"
        case .portForward: "portforward"
        }
    }
}

/// The streaming endpoint of a container runtime: whoever has a token may connect to what it was made for, once, within a
/// minute.
public final class StreamingServer: Sendable {
    /// Tokens that may be outstanding.
    static let tokenLimit = 1000

    private struct Session {
        let request: StreamingRequest
        let expires: ContinuousClock.Instant
    }

    private let sessions = Mutex<[String: Session]>([:])
    private let tokenLifetime: Duration
    private let limits: StreamingLimits
    private let logger: Logger

    public init(tokenLifetime: Duration = .seconds(60), limits: StreamingLimits = .init(), logger: Logger) {
        self.tokenLifetime = tokenLifetime
        self.limits = limits
        self.logger = logger
    }

    /// - Returns: a token of 128 bits. Its URL is `/exec/TOKEN`, `/attach/TOKEN` or `/portforward/TOKEN`.
    /// - Throws: `StreamingError` when too many wait for their callers.
    public func register(_ request: StreamingRequest) throws -> String {
        var random = SystemRandomNumberGenerator()
        let token = (0..<2).map { _ in
            let text = String(random.next() as UInt64, radix: 16)
            return String(repeating: "0", count: 16 - text.utf8.count) + text
        }.joined()
        let now = ContinuousClock.now
        try sessions.withLock { sessions in
            // What has expired is not kept: it holds on to what its backend holds.
            sessions = sessions.filter { $0.value.expires > now }
            guard sessions.count < Self.tokenLimit else {
                throw StreamingError(
                    .unavailable, "\(Self.tokenLimit) streaming URLs wait for their callers: try again in a minute")
            }
            sessions[token] = Session(request: request, expires: now + tokenLifetime)
        }
        return token
    }

    /// Serves a request for a streaming URL.
    public func handle(_ request: HTTPRequest) async -> HTTPResponse {
        let parts = request.path.split(separator: "/", omittingEmptySubsequences: true)
        guard request.method == .GET || request.method == .POST else {
            return HTTPResponse(.methodNotAllowed, text: "use GET or POST\n")
        }
        // Refused before the token is spent: the caller may try again as it should.
        if let refusal = refuseUnlessUpgrade(request) { return refusal.response }
        guard parts.count == 2, let session = take(String(parts[1]), kind: String(parts[0])) else {
            return HTTPResponse(.notFound, text: "there is no such streaming session, or it was used or has expired\n")
        }
        switch session {
        case .exec(let command), .attach(let command):
            return serveRemoteCommand(
                request, options: command.options, limits: limits, logger: logger, backend: command.backend)
        case .portForward(let forward):
            return servePortForward(
                request, ports: forward.ports, limits: limits, logger: logger, backend: forward.backend)
        }
    }

    private func take(_ token: String, kind: String) -> StreamingRequest? {
        sessions.withLock { sessions in
            guard let session = sessions[token], session.request.kind == kind else { return nil }
            sessions[token] = nil
            return session.expires > .now ? session.request : nil
        }
    }
}
