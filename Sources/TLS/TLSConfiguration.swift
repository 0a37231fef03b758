/// How a server proves who it is and whom it lets in.
public struct TLSServerConfiguration: Sendable, Hashable {
    /// Whether clients have to show a certificate.
    public enum ClientCertificate: Sendable, Hashable {
        /// Not asked for.
        case none
        /// Asked for; a client without one gets in without an identity, one with a bad one does not.
        case optional
        /// A client without a good one does not get in.
        case required
    }

    /// PEM file: the server's certificate, then the intermediate ones.
    public var certificateFile: String
    /// PEM file with the private key, unencrypted; refused when everybody may read it or its group may write it.
    public var keyFile: String
    /// PEM file with the authorities whose client certificates count.
    public var clientCAFile: String?
    public var clientCertificate: ClientCertificate
    /// Common or alternative names of which a client certificate needs one; empty admits every verified certificate.
    public var allowedNames: [String]
    /// Protocols offered by ALPN, the preferred first. A client that offers none of them is refused; a client without
    /// ALPN is not.
    public var applicationProtocols: [String]

    public init(
        certificateFile: String, keyFile: String, clientCAFile: String? = nil,
        clientCertificate: ClientCertificate = .none, allowedNames: [String] = [], applicationProtocols: [String] = []
    ) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.clientCAFile = clientCAFile
        self.clientCertificate = clientCertificate
        self.allowedNames = allowedNames
        self.applicationProtocols = applicationProtocols
    }
}

/// How a client checks a server and proves who it is.
public struct TLSClientConfiguration: Sendable, Hashable {
    /// What is checked of the server's certificate.
    public enum Verification: Sendable, Hashable {
        /// Its chain, its dates and its name.
        case full
        /// Nothing: anybody on the way can read and change everything.
        case none
    }

    /// PEM file with the authorities trusted; `nil` trusts those of the system.
    public var caFile: String?
    /// PEM file with this client's certificate chain, together with `keyFile`.
    public var certificateFile: String?
    public var keyFile: String?
    /// Name or address the server's certificate has to carry, in place of the one that is dialled.
    public var serverName: String?
    public var verification: Verification
    /// Protocols offered by ALPN, the preferred first.
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
