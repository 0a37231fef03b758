import CRIShim
import Settings
import Sockets

extension PeerConfiguration {
    /// - Returns: nil when nobody is named and nobody is served.
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init?(_ settings: ShimSettings) throws {
        let (resolved, peers) = (settings.resolved, settings.peers)
        guard !peers.addresses.isEmpty || peers.listen != nil else { return nil }
        guard let authority = peers.ca, let certificate = peers.cert, let key = peers.key else {
            throw resolved.invalid(
                peers.addresses.isEmpty ? "peers.listen" : "peers.addresses",
                "peers prove to each other who they are: peers.ca, peers.cert and peers.key are needed as well")
        }
        func endpoint(_ text: String, of setting: String) throws -> (host: String, port: Int) {
            let full = text.hasPrefix("tcp://") ? text : "tcp://" + text
            guard case .tcp(let host, let port)? = try? Endpoint(parsing: full) else {
                throw resolved.invalid(setting, "\"\(text)\" is no HOST:PORT")
            }
            return (host, port)
        }
        self.init(
            addresses: try peers.addresses.map {
                let (host, port) = try endpoint($0, of: "peers.addresses")
                return Address(host: host, port: port)
            }, authorityFile: authority, certificateFile: certificate, keyFile: key, allowedNames: peers.allow)
        listen = try peers.listen.map { try endpoint($0, of: "peers.listen") }
        if let text = peers.rate {
            let amount = text.hasSuffix("B") ? String(text.dropLast()) : text
            guard let bytes = ByteCount.parse(amount), bytes >= 64 << 10 else {
                throw resolved.invalid("peers.rate", "\"\(text)\" is no rate of at least 64Ki: write 50Mi")
            }
            rate = bytes
        }
    }
}
