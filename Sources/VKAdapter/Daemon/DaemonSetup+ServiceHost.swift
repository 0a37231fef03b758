import KubeAPI

extension DaemonSetup {
    /// Where pods are told that the API server is, when not at the address of its service.
    func serviceHost() throws(AdapterError) -> ServiceVariables.Master? {
        guard let text = configuration.serviceHost, !text.isEmpty else { return nil }
        let standard = configuration.cluster.map { Int32(clamping: $0.server.port) } ?? 443
        guard let master = ServiceVariables.Master(text, port: standard) else {
            throw AdapterError(
                .invalidArgument,
                "the service host \"\(text)\" is neither HOST nor HOST:PORT; an IPv6 address with a port is in brackets"
            )
        }
        return master
    }
}

extension ServiceVariables.Master {
    /// - Parameter port: where the text names none.
    init?(_ text: String, port: Int32) {
        var host = text[...]
        var port = port
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            let rest = host[host.index(after: end)...]
            host = host[..<end].dropFirst()
            if !rest.isEmpty {
                guard rest.hasPrefix(":"), let number = Int32(rest.dropFirst()) else { return nil }
                port = number
            }
        } else if let colon = host.firstIndex(of: ":"), host.lastIndex(of: ":") == colon {
            guard let number = Int32(host[host.index(after: colon)...]) else { return nil }
            port = number
            host = host[..<colon]
        }
        let isName = host.utf8.allSatisfy { byte in
            (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
                || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "%")].contains(byte)
        }
        guard !host.isEmpty, isName, (1...65535).contains(port) else { return nil }
        self.init(host: String(host), port: port)
    }
}
