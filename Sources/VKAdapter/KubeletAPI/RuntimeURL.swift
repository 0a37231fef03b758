import Sockets

/// A URL a runtime answers: scheme and host may be missing.
struct RuntimeURL: Sendable, Hashable {
    var isTLS = false
    var endpoint: Endpoint
    var authority: String
    /// Path and query.
    var target: String

    /// All of it.
    var text: String { "\(isTLS ? "https" : "http")://\(authority)\(target)" }

    init?(_ text: String, defaultHost: String) {
        var rest = text[...]
        if rest.hasPrefix("https:") {
            isTLS = true
            rest = rest.dropFirst(6)
        } else if rest.hasPrefix("http:") {
            rest = rest.dropFirst(5)
        }
        guard rest.hasPrefix("/") else { return nil }
        var host = defaultHost[...]
        var port = isTLS ? 443 : 80
        if rest.hasPrefix("//") {
            rest = rest.dropFirst(2)
            let part = rest.prefix { $0 != "/" && $0 != "?" }
            rest = rest.dropFirst(part.count)
            host = part
            if let colon = part.lastIndex(of: ":"), !part.hasSuffix("]") {
                guard let number = Int(part[part.index(after: colon)...]), (1...65535).contains(number) else {
                    return nil
                }
                port = number
                host = part[..<colon]
            }
            if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
            if host.isEmpty { host = defaultHost[...] }
        }
        endpoint = .tcp(host: String(host), port: port)
        authority = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        target = rest.hasPrefix("/") ? String(rest) : "/\(rest)"
    }
}
