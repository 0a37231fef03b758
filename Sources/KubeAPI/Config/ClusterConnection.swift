/// Where a cluster's API server is, how it is known to be the right one, and who asks.
public struct ClusterConnection: Sendable, Hashable {
    /// Where the API server listens. A path, as of a proxy in front of several clusters, precedes every request's.
    public struct Server: Sendable, Hashable, CustomStringConvertible {
        public var isEncrypted: Bool
        public var host: String
        public var port: Int
        /// Without a slash at its end.
        public var path: String

        public init(isEncrypted: Bool = true, host: String, port: Int, path: String = "") {
            self.isEncrypted = isEncrypted
            self.host = host
            self.port = port
            self.path = path
        }

        public var description: String { description(host: host) }

        /// The address with another name in the place of the host's.
        func description(host: String) -> String {
            let isNumber = host.contains(":")
            return "\(isEncrypted ? "https" : "http")://\(isNumber ? "[\(host)]" : host):\(port)\(path)"
        }
    }

    /// Bytes that stand in the configuration, or a file that may be replaced while we run.
    public enum Material: Sendable, Hashable {
        case bytes([UInt8])
        case file(String)
    }

    public enum Trust: Sendable, Hashable {
        /// The certificates this machine trusts.
        case system
        /// PEM certificates.
        case authorities(Material)
        /// Anybody (`insecure-skip-tls-verify`).
        case anybody
    }

    /// What tunnels connections to the server.
    public struct Proxy: Sendable, Hashable {
        public enum Kind: Sendable, Hashable { case http, socks }
        public var kind: Kind
        public var host: String
        public var port: Int
        /// Name and password.
        public var login: Login?

        public init(kind: Kind, host: String, port: Int, login: Login? = nil) {
            self.kind = kind
            self.host = host
            self.port = port
            self.login = login
        }
    }

    public struct Login: Sendable, Hashable {
        public var user: String
        public var password: String

        public init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }

    /// PEM.
    public struct ClientCertificate: Sendable, Hashable {
        public var certificates: Material
        public var key: Material

        public init(certificates: Material, key: Material) {
            self.certificates = certificates
            self.key = key
        }
    }

    /// What goes into the `Authorization` header.
    public enum Bearer: Sendable, Hashable {
        case token(String)
        /// A file that is replaced when its token is.
        case tokenFile(String)
        case basic(Login)
        /// A program that knows (`client.authentication.k8s.io`); it may give a certificate as well.
        case plugin(ExecPlugin)
    }

    public var server: Server
    public var trust: Trust
    /// The name in the server's certificate; the host's where `nil`.
    public var serverName: String?
    public var proxy: Proxy?
    public var certificate: ClientCertificate?
    public var bearer: Bearer?
    /// The namespace of requests that name none.
    public var namespace: String

    public init(
        server: Server, trust: Trust = .system, serverName: String? = nil, proxy: Proxy? = nil,
        certificate: ClientCertificate? = nil, bearer: Bearer? = nil, namespace: String = "default"
    ) {
        self.server = server
        self.trust = trust
        self.serverName = serverName
        self.proxy = proxy
        self.certificate = certificate
        self.bearer = bearer
        self.namespace = namespace
    }
}

/// A program that is run for credentials (`client.authentication.k8s.io`, v1 and v1beta1).
public struct ExecPlugin: Sendable, Hashable {
    public var apiVersion: String
    public var command: String
    public var arguments: [String]
    /// Added to this process's own environment.
    public var environment: [String: String]
    /// What a person should do when the program is not there.
    public var installHint: String
    /// Whether the program is told which cluster it is for.
    public var wantsCluster: Bool
    /// The cluster as the program is told it, JSON.
    public var cluster: Value?
    /// `Always`: it cannot work without a person at a terminal, and so not here.
    public var interactiveMode: String

    public init(
        apiVersion: String = "client.authentication.k8s.io/v1", command: String, arguments: [String] = [],
        environment: [String: String] = [:], installHint: String = "", wantsCluster: Bool = false,
        cluster: Value? = nil, interactiveMode: String = "IfAvailable"
    ) {
        self.apiVersion = apiVersion
        self.command = command
        self.arguments = arguments
        self.environment = environment
        self.installHint = installHint
        self.wantsCluster = wantsCluster
        self.cluster = cluster
        self.interactiveMode = interactiveMode
    }
}
