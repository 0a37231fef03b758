/// Which certificate a server shows and whose clients it takes.
public struct TLSServerConfiguration: Sendable {
    public enum ClientCertificate: Sendable {
        /// Clients are not asked for one.
        case none
        /// One that is shown must hold.
        case optional
        /// The handshake fails without one.
        case required
    }

    /// PEM, the server's certificate first, then its chain.
    public var certificateFile: String
    /// PEM; only its owner may be able to read it.
    public var keyFile: String
    /// PEM certificates that client certificates must lead to.
    public var clientCAFile: String?
    public var clientCertificate: ClientCertificate
    /// Common or DNS names of clients that are let in; empty lets in every client whose certificate holds.
    public var allowedNames: [String]
    /// ALPN, most wanted first.
    public var applicationProtocols: [String]

    public init(
        certificateFile: String, keyFile: String, clientCAFile: String? = nil, clientCertificate: ClientCertificate = .none,
        allowedNames: [String] = [], applicationProtocols: [String] = []
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.clientCAFile = clientCAFile
        self.clientCertificate = clientCertificate
        self.allowedNames = allowedNames
        self.applicationProtocols = applicationProtocols
    }
}

/// Whom a client trusts and how it proves itself.
public struct TLSClientConfiguration: Sendable {
    public enum Verification: Sendable {
        /// The chain and the name.
        case full
        /// Nothing: the connection is encrypted, but whose it is stays unknown.
        case none
    }

    /// PEM certificates the server's must lead to; nil trusts what the system trusts.
    public var caFile: String?
    public var certificateFile: String?
    public var keyFile: String?
    /// The name or IP address in the server's certificate.
    public var serverName: String?
    public var verification: Verification
    /// ALPN, most wanted first.
    public var applicationProtocols: [String]

    public init(
        caFile: String? = nil, certificateFile: String? = nil, keyFile: String? = nil, serverName: String? = nil,
        verification: Verification = .full, applicationProtocols: [String] = []
    ) {
        self.caFile = caFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.serverName = serverName
        self.verification = verification
        self.applicationProtocols = applicationProtocols
    }
}
