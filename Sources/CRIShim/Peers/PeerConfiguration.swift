/// The other shims of a fleet, and how they and this one prove to each other who they are.
public struct PeerConfiguration: Sendable, Hashable {
    /// Where this one serves them; nil serves nobody.
    public var listen: (host: String, port: Int)? {
        get { listenHost.map { ($0, listenPort) } }
        set { (listenHost, listenPort) = (newValue?.host, newValue?.port ?? 0) }
    }
    private var listenHost: String?
    private var listenPort = 0
    /// Where the others serve.
    public var addresses: [Address]
    /// PEM files: who signs the certificates of all of them, and this one's own for both directions.
    public var authorityFile: String
    public var certificateFile: String
    public var keyFile: String
    /// Names of which a peer's certificate must bear one to be served; empty is anybody the authority signed.
    public var allowedNames: [String]
    /// Bytes for each second that are served to all of them together; nil is as many as they take.
    public var rate: Int64?

    public struct Address: Sendable, Hashable, CustomStringConvertible {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }

        public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
    }

    public init(
        addresses: [Address], authorityFile: String, certificateFile: String, keyFile: String,
        allowedNames: [String] = []
    ) {
        self.addresses = addresses
        self.authorityFile = authorityFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.allowedNames = allowedNames
    }
}
