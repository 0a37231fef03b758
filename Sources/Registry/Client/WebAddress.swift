/// Whom a connection is to: credentials are shown to one of these, never to another.
struct Origin: Sendable, Hashable, CustomStringConvertible {
    var isEncrypted: Bool
    /// Lower-case, without brackets.
    var host: String
    var port: Int

    /// As in an address: the port is left out where the scheme says it.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isEncrypted ? 443 : 80) ? name : "\(name):\(port)"
    }

    var description: String { (isEncrypted ? "https://" : "http://") + authority }

    /// Whether it is this machine.
    var isLoopback: Bool { Self.isLoopback(host) }

    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host.hasSuffix(".localhost") || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }
}

/// An `http` or `https` address. Its query may be a secret: it is never part of a message.
struct WebAddress: Sendable, Hashable {
    var origin: Origin
    /// Path and query; begins with a slash.
    var target: String

    init(_ origin: Origin, _ target: String) {
        self.origin = origin
        self.target = target
    }

    /// nil for everything else, also with a user's name before the host.
    init?(_ text: String) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }), let scheme = text.firstRange(of: "://") else {
            return nil
        }
        let isEncrypted: Bool
        switch text[..<scheme.lowerBound].lowercased() {
        case "https": isEncrypted = true
        case "http": isEncrypted = false
        default: return nil
        }
        let rest = text[scheme.upperBound...]
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        guard let (host, port) = Self.hostAndPort(rest[..<end]) else { return nil }
        origin = Origin(isEncrypted: isEncrypted, host: host, port: port ?? (isEncrypted ? 443 : 80))
        let tail = rest[end...].prefix { $0 != "#" }
        target = tail.hasPrefix("/") ? String(tail) : "/" + tail
    }

    /// `HOST`, `HOST:PORT`, `[V6]:PORT`; lower-case.
    static func hostAndPort(_ text: some StringProtocol) -> (host: String, port: Int?)? {
        var host = text.lowercased()[...]
        var port: Int?
        if host.hasPrefix("["), let close = host.firstIndex(of: "]") {
            let after = host[host.index(after: close)...]
            if !after.isEmpty {
                guard after.hasPrefix(":"), let number = Int(after.dropFirst()) else { return nil }
                port = number
            }
            host = host[..<close].dropFirst()
        } else if let colon = host.lastIndex(of: ":") {
            guard let number = Int(host[host.index(after: colon)...]) else { return nil }
            port = number
            host = host[..<colon]
            guard !host.contains(":") else { return nil }
        }
        guard !host.isEmpty, !host.contains("@"), port.map({ (1...65535).contains($0) }) ?? true else { return nil }
        return (String(host), port)
    }

    /// Where a Location that came from here leads.
    func following(_ location: String) -> WebAddress? {
        if let absolute = WebAddress(location) { return absolute }
        guard !location.isEmpty, location.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        if location.hasPrefix("//") { return WebAddress((origin.isEncrypted ? "https:" : "http:") + location) }
        if location.hasPrefix("/") { return WebAddress(origin, String(location.prefix { $0 != "#" })) }
        let path = target.prefix { $0 != "?" }
        if location.hasPrefix("?") { return WebAddress(origin, path + location) }
        guard !location.contains(":"), !location.contains("..") else { return nil }
        return WebAddress(origin, String(path[...(path.lastIndex(of: "/") ?? path.startIndex)]) + location)
    }

    /// With one more parameter; `value` is encoded.
    func adding(_ name: String, _ value: String) -> WebAddress {
        WebAddress(origin, target + (target.contains("?") ? "&" : "?") + "\(name)=\(Self.encoded(value))")
    }

    var url: String { "\(origin)\(target)" }
    /// For messages: without the query.
    var shown: String { "\(origin)\(target.prefix { $0 != "?" })" }

    /// As a value in a query or a form.
    static func encoded(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x2e, 0x5f, 0x7e:
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return result
    }
}
