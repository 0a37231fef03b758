/// Which requests go through a proxy, as the variables `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say.
public struct ProxyRules: Sendable, Hashable {
    struct Proxy: Sendable, Hashable {
        var host: String
        var port: Int
        var user: String?
        var password: String?
    }

    var encrypted: Proxy?
    var plain: Proxy?
    var exceptions: [String] = []

    /// None at all.
    public init() {}

    /// - Throws: `invalidArgument` for a proxy that is no `http://[USER:PASSWORD@]HOST[:PORT]`.
    public init(environment: [String: String]) throws(RegistryError) {
        func value(_ name: String) -> String? {
            let text = environment[name] ?? environment[name.lowercased()] ?? ""
            return text.isEmpty ? nil : text
        }
        encrypted = try value("HTTPS_PROXY").map { text throws(RegistryError) in try Self.parse(text, "HTTPS_PROXY") }
        // Where a request's header could set it (HTTP_PROXY in a CGI), the lower-case name alone counts elsewhere; no
        // request sets our environment.
        plain = try value("HTTP_PROXY").map { text throws(RegistryError) in try Self.parse(text, "HTTP_PROXY") }
        exceptions = (value("NO_PROXY") ?? "").split { $0 == "," || $0 == " " }.map { $0.lowercased() }
    }

    private static func parse(_ text: String, _ name: String) throws(RegistryError) -> Proxy {
        // The value may hold a password: it is not shown.
        let failure = RegistryError(.invalidArgument, "\(name) is no proxy: write http://[USER:PASSWORD@]HOST[:PORT]")
        var rest = text[...]
        if let scheme = rest.firstRange(of: "://") {
            guard rest[..<scheme.lowerBound].lowercased() == "http" else { throw failure }
            rest = rest[scheme.upperBound...]
        }
        rest = rest.prefix { $0 != "/" }
        var login: [String] = []
        if let at = rest.lastIndex(of: "@") {
            login = rest[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(decoded)
            rest = rest[rest.index(after: at)...]
        }
        guard let (host, port) = WebAddress.hostAndPort(rest) else { throw failure }
        return Proxy(
            host: host, port: port ?? 80, user: login.first,
            password: login.isEmpty ? nil : login.dropFirst().first ?? "")
    }

    /// Undoes percent-encoding; what is none stays.
    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// nil: straight there. This machine is never asked through a proxy.
    func proxy(for origin: Origin) -> Proxy? {
        guard let proxy = origin.isEncrypted ? encrypted : plain, !origin.isLoopback else { return nil }
        return exceptions.contains { Self.fits($0, origin) } ? nil : proxy
    }

    private static func fits(_ exception: String, _ origin: Origin) -> Bool {
        if exception == "*" { return true }
        if exception.contains("/") { return isInRange(origin.host, exception) }
        guard let (name, port) = WebAddress.hostAndPort(exception), port ?? origin.port == origin.port else {
            return exception == origin.host
        }
        let suffix = name.hasPrefix("*.") ? name.dropFirst(2) : name.hasPrefix(".") ? name.dropFirst() : name[...]
        return origin.host == suffix || origin.host.hasSuffix("." + suffix)
    }

    private static func isInRange(_ host: String, _ range: String) -> Bool {
        func number(_ text: Substring) -> UInt32? {
            let parts = text.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
            return parts.count == 4 ? parts.reduce(0) { $0 << 8 | UInt32($1) } : nil
        }
        let parts = range.split(separator: "/")
        guard parts.count == 2, let length = UInt32(parts[1]), length <= 32, let base = number(parts[0]),
            let address = number(host[...])
        else { return false }
        let mask: UInt32 = length == 0 ? 0 : ~0 << (32 - length)
        return base & mask == address & mask
    }
}
