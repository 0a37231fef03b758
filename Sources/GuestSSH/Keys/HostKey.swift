/// A server's public key.
struct HostKey: Sendable, Hashable, CustomStringConvertible {
    /// As known_hosts files have it: algorithm and base64.
    var algorithm: String
    var encoded: String

    /// - Parameter bytes: in wire form, which begins with the algorithm's name.
    init(wire bytes: [UInt8]) {
        let count = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        algorithm = String(decoding: bytes.dropFirst(4).prefix(count), as: UTF8.self)
        encoded = Base64.encode(bytes)
    }

    /// `ssh-ed25519 AAAA…`; what follows is a comment.
    /// - Throws: `GuestSSHError` with `invalidArgument`.
    init(pin: String) throws(GuestSSHError) {
        let fields = pin.split(whereSeparator: \.isWhitespace)
        guard fields.count >= 2, let bytes = Base64.decode(fields[1].utf8) else {
            throw GuestSSHError(.invalidArgument, "\"\(pin)\" is no host key: expected \"ssh-ed25519 AAAA…\"")
        }
        self.init(wire: bytes)
        guard algorithm == fields[0] else {
            throw GuestSSHError(.invalidArgument, "\"\(pin)\" says \(fields[0]) but holds another kind of key")
        }
    }

    var description: String { "\(algorithm) \(encoded)" }

    /// What is asked for, best first: the pinned kind, so that a server with several keys shows the pinned one.
    static func preferences(pinned: HostKey?) -> [String] {
        let all = [
            "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa",
        ]
        guard let pinned else { return all }
        return [pinned.algorithm] + all.filter { $0 != pinned.algorithm }
    }
}
