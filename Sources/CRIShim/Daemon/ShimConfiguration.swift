public import Registry
public import Sockets

/// Everything `cri-shim serve` can be told.
public struct ShimConfiguration: Sendable {
    /// What serving over TCP needs: both sides prove who they are.
    public struct ServerTLS: Sendable {
        public var certificateFile: String
        public var keyFile: String
        /// Signs the clients that may connect.
        public var clientCAFile: String
        /// Names of which a client's certificate must bear one; empty lets in every client the CA signed.
        public var allowedNames: [String]

        public init(certificateFile: String, keyFile: String, clientCAFile: String, allowedNames: [String] = []) {
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.clientCAFile = clientCAFile
            self.allowedNames = allowedNames
        }
    }

    /// How the Docker Engine is reached over TLS.
    public struct DockerTLS: Sendable {
        public var caFile: String?
        public var certificateFile: String?
        public var keyFile: String?
        public var verify: Bool

        public init(caFile: String?, certificateFile: String?, keyFile: String?, verify: Bool = true) {
            self.caFile = caFile
            self.certificateFile = certificateFile
            self.keyFile = keyFile
            self.verify = verify
        }
    }

    /// Where to serve; one at least.
    public var listen: [Endpoint]
    /// Mode and group of unix sockets.
    public var socket = UnixSocketOptions()
    /// Where logs of pods are: adapters on other machines are served those below, and nothing else.
    public var podLogDirectory = "/var/log/pods"
    /// Needed when one of ``listen`` is TCP.
    public var tls: ServerTLS?
    /// The name or address that clients on other machines reach this host by; nil takes the one they connected to.
    public var advertiseAddress: String?
    /// What must survive a restart. One shim per root.
    public var rootDirectory: String
    /// Sockets of machines, namespaces of pods: what need not survive a restart of the host. A short path; one shim per
    /// directory.
    public var stateDirectory: String
    /// nil when no engine is to be used.
    public var dockerEndpoint: Endpoint
    public var dockerTLS: DockerTLS?
    /// The image pause containers are made of where it can be had; nil is our own.
    public var pauseImage: String?
    /// Patterns of names that are VM images wherever they come from.
    public var vmImages: [ImagePattern] = []
    /// What becomes of VM images by themselves.
    public var images = ImageUpkeep()
    /// The other shims of a fleet, that give each other what they have pulled; nil: everything comes from registries.
    public var peers: PeerConfiguration?
    /// How registries are reached.
    public var registries = RegistryConfiguration()
    /// How to log in to which guests; the first that fits counts.
    public var guests: [GuestProfile] = []
    /// How to log in where neither ``guests`` nor the image says so.
    public var guestLogin = GuestLogin()
    /// Seconds until a guest that must be reached and was not is given up.
    public var guestReadinessTimeout = 300
    /// Seconds in which a connection to a guest is made or given up; nil is what suits most.
    public var guestDialTimeout: Int?
    /// The SSH key exchanges offered to guests, best first; empty is the library's choice.
    public var guestKeyExchanges: [String] = []
    /// What machines get when neither their pod nor their image says otherwise.
    public var machines = MachineDefaults()
    /// How many Linux guests may run at a time; nil: as many as there are cores.
    public var vmSlots: Int?
    /// How much room is kept on the disk of machines.
    public var diskReserve = DiskReserve.standard
    /// The program `vm-host`; nil: beside this one.
    public var vmHostPath: String?
    /// Whether machines start before their images are here, unless their pods say otherwise.
    public var lazyStart = false
    /// The program that serves images meanwhile (`cri-shim`); nil: this one.
    public var imageServerPath: String?
    /// What it logs.
    public var logLevel: String?
    /// Where ``vmHostPath`` is unless configured.
    public static var standardVMHost: String { VMHostLauncher.standardProgram() }
    /// Addresses of pods that get their network from us (`10.88.0.0/24`); nil: a free private range.
    public var podCIDR: String?
    /// Where a CNI configuration is; nil or without one: our own bridge.
    public var cniConfDirectory: String?
    public var cniBinDirectory = "/opt/cni/bin"
    /// The bridge on which guests get addresses of their own; nil: they are reached at their pod's.
    public var bridgeInterface: String?
    /// What Version reports.
    public var version: String

    /// - Parameter stateDirectory: nil is `run` below the root.
    public init(
        listen: [Endpoint], rootDirectory: String, stateDirectory: String? = nil,
        dockerEndpoint: Endpoint = .unix(path: "/var/run/docker.sock"), version: String = "0.1.0"
    ) {
        self.listen = listen
        self.rootDirectory = rootDirectory
        self.stateDirectory = stateDirectory ?? rootDirectory + "/run"
        self.dockerEndpoint = dockerEndpoint
        self.version = version
    }

    /// - Throws: `invalidArgument` for what can never work.
    func validate() throws {
        guard !listen.isEmpty else {
            throw ShimError(.invalidArgument, "nowhere to listen: give --listen unix:///PATH or tcp://HOST:PORT")
        }
        guard rootDirectory.hasPrefix("/") else {
            throw ShimError(.invalidArgument, "the root directory \"\(rootDirectory)\" must be an absolute path")
        }
        guard stateDirectory.hasPrefix("/") else {
            throw ShimError(.invalidArgument, "the state directory \"\(stateDirectory)\" must be an absolute path")
        }
        guard podLogDirectory.hasPrefix("/"), podLogDirectory.count > 1 else {
            throw ShimError(
                .invalidArgument, "the directory of pods' logs \"\(podLogDirectory)\" must be an absolute path below /")
        }
        for case .unix(let path) in listen { try UnixSocket.checkPath(path) }
        for case .tcp(let host, let port) in listen where tls == nil {
            throw ShimError(
                .invalidArgument,
                "--listen tcp://\(host):\(port) needs --tls-cert, --tls-key and --client-ca: whoever may call a container "
                    + "runtime is root on this machine")
        }
    }
}
