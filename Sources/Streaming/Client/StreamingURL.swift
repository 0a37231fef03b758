import HTTP
import NIOCore
import NIOHTTP1
import Sockets
import TLS

/// A streaming URL taken apart.
struct StreamingURL {
    let isTLS: Bool
    let endpoint: Endpoint
    let host: String
    /// Path and query.
    let target: String

    /// `http://HOST[:PORT]/PATH` or `https://…`
    init(_ text: String) throws(StreamingError) {
        func malformed() -> StreamingError { StreamingError(.invalidArgument, "\"\(text)\" is no streaming URL") }
        guard let scheme = ["http://", "https://"].first(where: text.hasPrefix) else { throw malformed() }
        isTLS = scheme == "https://"
        let rest = text.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        let path = rest.dropFirst(authority.count)
        target = path.hasPrefix("/") ? String(path) : "/\(path)"
        var name = authority
        var port = isTLS ? 443 : 80
        if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
            guard let number = Int(authority[authority.index(after: colon)...]), (1...65535).contains(number) else {
                throw malformed()
            }
            port = number
            name = authority[..<colon]
        }
        if name.hasPrefix("["), name.hasSuffix("]") { name = name.dropFirst().dropLast() }
        guard !name.isEmpty, !name.contains("["), !name.contains("]") else { throw malformed() }
        endpoint = .tcp(host: String(name), port: port)
        host = String(authority)
    }

    /// Upgrades a connection to SPDY.
    /// - Returns: the protocol the server chose, and the session.
    func connect(
        offering protocols: [String], tls: TLSContext?, group: any EventLoopGroup
    ) async throws -> (chosen: String?, session: SPDYSession) {
        guard !isTLS || tls != nil else {
            throw StreamingError(.invalidArgument, "the streaming URL wants TLS, for which nothing was configured")
        }
        let client = HTTPClient(endpoint: endpoint, tls: isTLS ? tls : nil, group: group)
        do {
            let (head, connection) = try await client.upgrade(
                .POST, target, headers: .init([("host", host)] + protocols.map { (ChannelProtocol.header, $0) }),
                to: ChannelProtocol.spdy,
                timeout: .seconds(30))
            return (head.headers.first(name: ChannelProtocol.header), SPDYSession(connection, role: .client))
        } catch let error as HTTPUpgradeRefused {
            throw StreamingError(.failed, error.text.isEmpty ? "\(error)" : error.text.trimmingNewlines, cause: error)
        } catch let error as HTTPError {
            throw StreamingError(.unavailable, "the streaming endpoint \(endpoint) cannot be reached", cause: error)
        }
    }
}

extension String {
    fileprivate var trimmingNewlines: String { String(reversed().drop { $0.isNewline }.reversed()) }
}
