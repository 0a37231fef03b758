public import Sockets

/// What is to be looked at: how the daemons of this host are configured.
public struct Subject: Sendable {
    /// A way to log in to guests.
    public struct Login: Sendable {
        /// Who says so: `guests: registry.example/mac/*`, `VZ_SSH_*`.
        public var origin: String
        public var user: String?
        public var keyFile: String?
        public var passwordFile: String?
        /// A key in clear, base64 of its text.
        public var keyBase64: String?
        /// A password in clear is set.
        public var hasPassword: Bool
        /// Something that decrypts the key is set.
        public var hasPassphrase: Bool

        public init(
            origin: String, user: String? = nil, keyFile: String? = nil, passwordFile: String? = nil,
            keyBase64: String? = nil, hasPassword: Bool = false, hasPassphrase: Bool = false
        ) {
            self.origin = origin
            self.user = user
            self.keyFile = keyFile
            self.passwordFile = passwordFile
            self.keyBase64 = keyBase64
            self.hasPassword = hasPassword
            self.hasPassphrase = hasPassphrase
        }
    }

    /// Why the configuration cannot be used; what follows are then the defaults.
    public var configurationError: String?
    /// What in it has no effect.
    public var configurationWarnings: [String] = []
    /// What must survive a restart.
    public var root: String
    /// Sockets and namespaces.
    public var state: String
    /// Where the shim serves.
    public var listen: [Endpoint] = []
    /// Whether another group may use the unix socket.
    public var hasSocketGroup = false
    /// The port of the kubelet API; nil when no adapter runs here.
    public var kubeletPort: Int?
    /// Directories that containers are given parts of.
    public var sharedDirectories: [String] = []
    public var docker: Endpoint
    /// The program that owns a machine.
    public var vmHost: String
    /// No machines are wanted here.
    public var hasNoMachines = false
    /// The bridge on which guests get addresses of their own.
    public var bridgeInterface: String?
    /// As configured, the variables' last.
    public var logins: [Login] = []

    public init(root: String, state: String, docker: Endpoint, vmHost: String) {
        self.root = root
        self.state = state
        self.docker = docker
        self.vmHost = vmHost
    }
}
