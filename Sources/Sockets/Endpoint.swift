/// Where a server listens or a client connects.
public enum Endpoint: Sendable, Hashable, CustomStringConvertible {
    case unix(path: String)
    case tcp(host: String, port: Int)

    /// Reads `unix:///path`, `unix:path`, an absolute path, `tcp://host:port` or `tcp://[v6]:port`.
    public init(parsing text: String) throws(SocketError) {
        if text.hasPrefix("/") {
            self = .unix(path: text)
            return
        }
        if text.hasPrefix("unix:") {
            var path = text.dropFirst("unix:".count)
            if path.hasPrefix("//") { path = path.dropFirst(2) }
            guard path.hasPrefix("/") else { throw Self.unreadable(text) }
            self = .unix(path: String(path))
            return
        }
        guard text.hasPrefix("tcp://") else { throw Self.unreadable(text) }
        let rest = text.dropFirst("tcp://".count)
        guard let colon = rest.lastIndex(of: ":"), let port = Int(rest[rest.index(after: colon)...]),
            (0...65535).contains(port)
        else { throw Self.unreadable(text) }
        var host = rest[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            throw Self.unreadable(text)
        }
        guard !host.isEmpty else { throw Self.unreadable(text) }
        self = .tcp(host: String(host), port: port)
    }

    private static func unreadable(_ text: String) -> SocketError {
        SocketError(.invalidArgument, "\"\(text)\" is no endpoint: write unix:///absolute/path or tcp://HOST:PORT")
    }

    public var description: String {
        switch self {
        case .unix(let path): "unix://\(path)"
        case .tcp(let host, let port): host.contains(":") ? "tcp://[\(host)]:\(port)" : "tcp://\(host):\(port)"
        }
    }
}
