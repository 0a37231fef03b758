/// How registries are reached.
public struct RegistryConfiguration: Sendable {
    /// The first whose pattern fits a registry counts.
    public var rules: [RegistryRule] = []
    /// A Docker configuration file with credentials, for those who bring none; nil: no file is read.
    public var credentialFile: String?
    public var proxies = ProxyRules()
    public var timing = RegistryTiming()
    /// Connections to one registry at once.
    public var connections = 64
    /// What a chunk of an upload has at most; nil: everything that is left, in one.
    public var uploadChunk: Int64?
    public var userAgent = "vz-cri"

    public init() {}
}

/// What is said of the registries that a pattern fits.
public struct RegistryRule: Codable, Sendable, Hashable {
    /// `registry.example`, `registry.example:5000`, `*.example`, `*`. Without a port: any.
    public var host: String
    /// Asked first, in this order, for whatever is pulled: `[http[s]://]HOST[:PORT][/PREFIX]`.
    public var mirrors: [String] = []
    /// Without TLS. nil: only on this machine, and there unless something about TLS is said.
    public var plainHTTP: Bool?
    /// Any certificate will do.
    public var insecure = false
    /// Files (PEM): who signs the registry's certificate, in place of whom the system trusts.
    public var authorities: String?
    /// Our certificate, and its key.
    public var certificate: String?
    public var key: String?

    public init(host: String) { self.host = host }

    /// Whether it can be a pattern of hosts at all.
    public var isValid: Bool {
        let name = host.hasPrefix("*.") ? String(host.dropFirst(2)) : host
        return host == "*" || (!name.contains("*") && !name.contains("/") && WebAddress.hostAndPort(name) != nil)
    }

    func fits(host: String, port: Int) -> Bool {
        if self.host == "*" { return true }
        if self.host == "docker.io" { return host == "registry-1.docker.io" }
        guard let (name, wanted) = WebAddress.hostAndPort(self.host), wanted ?? port == port else { return false }
        return name.hasPrefix("*.") ? host.hasSuffix(name.dropFirst()) : host == name
    }

    var speaksOfTLS: Bool { insecure || authorities != nil || certificate != nil }
}

/// How long things may take.
public struct RegistryTiming: Sendable {
    /// Until a connection stands.
    public var connect = Duration.seconds(10)
    /// Until an answer begins, and until a short one ends.
    public var answer = Duration.seconds(60)
    /// How long a transfer may stand still.
    public var silence = Duration.seconds(60)
    /// How often something is tried.
    public var attempts = 5
    /// The wait after the first failure; it doubles from one to the next.
    public var firstWait = Duration.milliseconds(300)
    public var longestWait = Duration.seconds(10)
    /// A registry that asks for a longer pause than this is not waited for.
    public var longestPause = Duration.seconds(60)

    public init() {}
}

extension RegistryConfiguration {
    func rule(host: String, port: Int) -> RegistryRule? { rules.first { $0.fits(host: host, port: port) } }

    func rule(_ origin: Origin) -> RegistryRule? { rule(host: origin.host, port: origin.port) }

    /// Whether requests may go there in the clear.
    func allowsPlain(host: String, port: Int) -> Bool {
        rule(host: host, port: port)?.plainHTTP ?? Origin.isLoopback(host)
    }

    /// - Parameter authority: `HOST[:PORT]`.
    func origin(_ authority: String) throws(RegistryError) -> Origin {
        guard let (host, port) = WebAddress.hostAndPort(authority) else {
            throw RegistryError(.invalidArgument, "\"\(authority)\" is no registry: write HOST or HOST:PORT")
        }
        let rule = rule(host: host, port: port ?? 443)
        let isPlain = rule?.plainHTTP ?? (Origin.isLoopback(host) && rule?.speaksOfTLS != true)
        return Origin(isEncrypted: !isPlain, host: host, port: port ?? (isPlain ? 80 : 443))
    }

    /// - Throws: `invalidArgument` for what can be no mirror.
    public func checkMirror(_ text: String) throws(RegistryError) { _ = try mirror(text) }

    /// A mirror: where it is, and what goes before the names of repositories there.
    func mirror(_ text: String) throws(RegistryError) -> (origin: Origin, prefix: String) {
        let scheme = text.firstRange(of: "://")
        let rest = text[(scheme?.upperBound ?? text.startIndex)...]
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let prefix = rest[slash...].split(separator: "/").map { $0 + "/" }.joined()
        var origin = try origin(String(rest[..<slash]))
        if scheme != nil {
            guard let said = WebAddress(text) else {
                throw RegistryError(.invalidArgument, "\"\(text)\" is no mirror: write [https://]HOST[:PORT][/PREFIX]")
            }
            origin = said.origin
        }
        return (origin, prefix)
    }
}
