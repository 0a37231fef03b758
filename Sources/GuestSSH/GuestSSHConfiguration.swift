/// How a guest is reached and who we are there.
public struct GuestSSHConfiguration: Sendable {
    /// An address or a name.
    public var host: String
    public var port: Int
    public var user: String
    /// An ed25519 or ECDSA private key, in OpenSSH or PEM form.
    public var keyFile: String?
    /// A file that holds the key's passphrase; one newline at its end is not part of it. nil for a key without one.
    public var passphraseFile: String?
    /// A file that holds the password; one newline at its end is not part of it.
    public var passwordFile: String?
    /// The guest's host key as `ssh-keyscan` prints it, without the host: `ssh-ed25519 AAAA…`. nil: the first one is taken,
    /// and handed to the link's `onHostKey`.
    public var hostKeyPin: String?
    /// The key exchanges that are offered, best first, as OpenSSH names them; empty is the library's choice.
    public var keyExchanges: [String] = []
    /// Until the server speaks.
    public var connectTimeout: Duration
    /// From the server's first word to the last of the key exchange. Who speaks is there: a guest that is busy computes for
    /// a while, and broken off it would have to begin anew, no faster.
    public var keyExchangeTimeout: Duration
    /// How long a peer that accepted may stay silent at first. QEMU accepts in the name of a guest that does not listen yet
    /// and then says nothing; a silent peer is given a quarter more at every further try, up to `connectTimeout`.
    public var bannerTimeout: Duration
    public var authenticationTimeout: Duration
    /// Until a session or forward is open, and until the guest's shell is ready to run a command.
    public var openTimeout: Duration
    /// How often a quiet peer is asked for a sign of life.
    public var keepaliveInterval: Duration
    /// After this many silent intervals the connection is given up.
    public var keepaliveLimit: Int
    /// Sessions on one connection; OpenSSH's default `MaxSessions` is 10, two of which are kept for killing.
    public var sessionsPerConnection: Int
    public var maximumConnections: Int
    /// After which a further connection that nobody uses is closed. The first one stays.
    public var idleTimeout: Duration
    /// Whether the peer stands still for a reason that is known: then it is not given up for its silence. Asked often.
    public var standsStill: @Sendable () -> Bool = { false }

    public init(
        host: String, port: Int, user: String, keyFile: String? = nil, passwordFile: String? = nil,
        hostKeyPin: String? = nil, connectTimeout: Duration = .seconds(10), keyExchangeTimeout: Duration = .seconds(30),
        bannerTimeout: Duration = .seconds(1), authenticationTimeout: Duration = .seconds(30),
        openTimeout: Duration = .seconds(30),
        keepaliveInterval: Duration = .seconds(15), keepaliveLimit: Int = 3, sessionsPerConnection: Int = 8,
        maximumConnections: Int = 16, idleTimeout: Duration = .seconds(15)
    ) {
        self.host = host
        self.port = port
        self.user = user
        self.keyFile = keyFile
        self.passwordFile = passwordFile
        self.hostKeyPin = hostKeyPin
        self.connectTimeout = connectTimeout
        self.keyExchangeTimeout = keyExchangeTimeout
        self.bannerTimeout = bannerTimeout
        self.authenticationTimeout = authenticationTimeout
        self.openTimeout = openTimeout
        self.keepaliveInterval = keepaliveInterval
        self.keepaliveLimit = keepaliveLimit
        self.sessionsPerConnection = sessionsPerConnection
        self.maximumConnections = maximumConnections
        self.idleTimeout = idleTimeout
    }

    /// For messages.
    var peer: String { "\(user)@\(host):\(port)" }
}
