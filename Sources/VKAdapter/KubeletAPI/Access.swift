import HTTP
import NIOHTTP1
import NIOPosix
import TLS

/// Who asks.
struct Requester: Sendable, Hashable {
    var name: String
    var groups: [String] = []
    var uid = ""
    /// What else its authority says of it.
    var extra: [String: [String]] = [:]

    /// The same, in the group of all who proved who they are: rules of the cluster may be for that.
    var authenticated: Requester {
        let group = "system:authenticated"
        guard !groups.contains(group) else { return self }
        var requester = self
        requester.groups.append(group)
        return requester
    }
}

/// Finds out who asks.
protocol Authenticator: Sendable {
    /// - Returns: `nil` when the request does not prove who sent it.
    func requester(_ request: HTTPRequest) async throws -> Requester?
}

/// Decides what a requester may do.
protocol Authorizer: Sendable {
    /// - Parameters:
    ///   - verb: of the API: `get`, `create`, `update`, `patch`, `delete`.
    ///   - subresources: of the node; one of them is enough.
    func allows(_ requester: Requester, verb: String, subresources: [String]) async throws -> Bool
}

/// Everybody who proved who they are may do everything: the mode without a cluster.
struct AllowAuthenticated: Authorizer {
    func allows(_ requester: Requester, verb: String, subresources: [String]) -> Bool { true }
}

/// Those who may do everything in the cluster anyway, the API server among them.
struct AllowMasters: Authorizer {
    static let group = "system:masters"

    func allows(_ requester: Requester, verb: String, subresources: [String]) -> Bool {
        requester.groups.contains(Self.group)
    }
}

/// A client certificate that the TLS handshake has checked.
struct CertificateAuthenticator: Authenticator {
    func requester(_ request: HTTPRequest) -> Requester? {
        request.peer.map { Requester(name: $0.commonName ?? "", groups: $0.organizations) }
    }
}

/// The token in a file that only the adapter's user can read.
struct TokenFileAuthenticator: Authenticator {
    let path: String
    var pool: NIOThreadPool = .singleton

    /// Makes the file with a new token, unless there is one.
    static func prepare(_ path: String) throws(AdapterError) {
        if try SystemCall.status(path) != nil { return }
        var generator = SystemRandomNumberGenerator()
        let token = (0..<32).map { _ in
            let byte = UInt8.random(in: 0...255, using: &generator)
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined()
        try SystemCall.write(path, Array("\(token)\n".utf8), mode: 0o600)
    }

    /// Reads the file every time: a token that is replaced counts at once.
    func requester(_ request: HTTPRequest) async throws -> Requester? {
        guard let token = BearerToken.of(request) else { return nil }
        let given = Array(token.utf8).trimmed
        let path = path
        let wanted = try await pool.runIfActive { try SystemCall.readOwn(path, limit: 4096) ?? [] }.trimmed
        guard !wanted.isEmpty, Self.areEqual(given, wanted) else { return nil }
        return Requester(name: "kubelet-token", groups: [AllowMasters.group])
    }

    /// Takes as long for any two tokens of that length.
    static func areEqual(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        guard left.count == right.count else { return false }
        return zip(left, right).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}

extension [UInt8] {
    fileprivate var trimmed: [UInt8] {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || (0x09...0x0D).contains($0) }
        return Array(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
    }
}
