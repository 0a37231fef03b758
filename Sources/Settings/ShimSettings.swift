/// What `cri-shim serve` is configured with: section `shim`, and its flags and variables.
public struct ShimSettings: Sendable {
    public static let section = "shim"

    /// Endpoints, unparsed.
    public var listen: [String]
    /// Who may connect to the unix socket besides us; nil is nobody.
    public var socketGroup: String?
    public var tlsCert: String?
    public var tlsKey: String?
    public var clientCA: String?
    public var clientAllow: [String]
    public var advertiseAddress: String?
    public var root: String
    /// nil: the platform's for the platform's root, else `run` below ``root``.
    public var state: String?
    /// Below it are the logs of pods that adapters on other machines may read.
    public var podLogs: String
    /// An endpoint, unparsed.
    public var dockerHost: String
    /// A directory with `ca.pem`, `cert.pem` and `key.pem`.
    public var dockerCertPath: String?
    /// Whether the engine's certificate is checked; only then is TLS used, as with Docker's own client.
    public var dockerTLSVerify: Bool
    public var pauseImage: String?
    /// Patterns of names that are VM images wherever they come from.
    public var vmImages: [String]
    /// Patterns of names of VM images that no collection removes.
    public var pinnedImages: [String]
    /// Seconds; 0 is forever.
    public var imageMaximumAge: Int
    /// Percent.
    public var imageGCHighThreshold: Int
    public var imageGCLowThreshold: Int
    /// Names of images that are brought before anybody needs them.
    public var prePullImages: [String]
    /// Bytes for each second, as Kubernetes writes amounts.
    public var prePullRate: String?
    /// `01:00-05:00`
    public var prePullWindow: String?
    /// The mapping `peers`.
    public var peers: Peers
    /// Fields: `host`, `mirrors`, `plainHTTP`, `insecure`, `ca`, `cert`, `key`.
    public var registries: [[String: String]]
    /// A Docker configuration file, for pulls that bring no credentials.
    public var imageCredentials: String?
    /// Fields: `match`, `name`, `user`, `keyFile`, `passphraseFile`, `passwordFile`.
    public var guests: [[String: String]]
    /// The user, key and password for guests that nothing else says how to enter.
    public var sshUser: String?
    public var sshKeyFile: String?
    /// The key itself, base64 of its PEM text.
    public var sshKeyBase64: String?
    public var sshKeyPassphraseFile: String?
    public var sshKeyPassphrase: String?
    /// Key exchanges, best first; empty is the library's choice.
    public var sshKexAlgorithms: [String]
    public var sshPasswordFile: String?
    public var sshPassword: String?
    /// Seconds.
    public var guestReadinessTimeout: Int
    /// Seconds.
    public var guestDialTimeout: Int
    /// What machines get when neither their pod nor their image says otherwise; amounts as Kubernetes writes them.
    public var vm: VM
    /// nil: as many as the host has cores.
    public var vmSlots: Int?
    /// `10Gi`, `5%`, `0`; nil: the smaller of 10 GiB and 5 %.
    public var diskReserve: String?
    /// Whether machines start before their images are here.
    public var lazyStart: Bool
    /// nil: beside `cri-shim`.
    public var vmHost: String?
    /// nil: a free private range.
    public var podCIDR: String?
    public var cniConfDir: String?
    public var cniBinDir: String
    /// nil: guests are reached at their pod's address.
    public var bridgeInterface: String?
    public var logLevel: String
    public var resolved: ResolvedSettings

    public static func table(for platform: HostPlatform) -> SettingsTable {
        SettingsTable(
            section: section,
            keys: [
                SettingKey("listen", .list, flag: "--listen", standard: .list(["unix://" + platform.socketPath])),
                SettingKey("socketGroup", .text, flag: "--socket-group"),
                SettingKey("tlsCert", .path, flag: "--tls-cert"),
                SettingKey("tlsKey", .path, flag: "--tls-key"),
                SettingKey("clientCA", .path, flag: "--client-ca"),
                SettingKey("clientAllow", .list, flag: "--client-allow", standard: .list([])),
                SettingKey("advertiseAddress", .text, flag: "--advertise-address"),
                SettingKey("root", .path, flag: "--root", standard: .text(platform.rootDirectory)),
                SettingKey("state", .path, flag: "--state"),
                SettingKey("podLogs", .path, flag: "--pod-logs", standard: .text(platform.podLogsDirectory)),
                SettingKey(
                    "dockerHost", .text, flag: "--docker-host", variable: "DOCKER_HOST",
                    standard: .text(platform.dockerHost)),
                SettingKey("dockerCertPath", .path, variable: "DOCKER_CERT_PATH"),
                SettingKey("dockerTLSVerify", .boolean, variable: "DOCKER_TLS_VERIFY", standard: .boolean(false)),
                SettingKey("pauseImage", .text, flag: "--pause-image"),
                SettingKey("vmImages", .list, standard: .list([])),
                SettingKey("pinnedImages", .list, standard: .list([])),
                SettingKey("imageMaximumAge", .seconds(0...315_360_000), standard: .integer(0)),
                SettingKey("imageGCHighThreshold", .integer(0...100), standard: .integer(85)),
                SettingKey("imageGCLowThreshold", .integer(0...100), standard: .integer(80)),
                SettingKey("prePull.images", .list, standard: .list([])),
                SettingKey("prePull.rate", .text),
                SettingKey("prePull.window", .text),
                SettingKey("peers.addresses", .list, standard: .list([])),
                SettingKey("peers.listen", .text),
                SettingKey("peers.ca", .path),
                SettingKey("peers.cert", .path),
                SettingKey("peers.key", .path),
                SettingKey("peers.allow", .list, standard: .list([])),
                SettingKey("peers.rate", .text),
                SettingKey("registries", .records(registryFields)),
                SettingKey("imageCredentials", .path),
                SettingKey("guests", .records(guestFields)),
                SettingKey("sshUser", .text, variable: "VZ_SSH_USER"),
                SettingKey("sshKeyFile", .path, variable: "VZ_SSH_PRIVATE_KEY_PATH"),
                SettingKey("sshKeyBase64", .text, variable: "VZ_SSH_PRIVATE_KEY_BASE64", isSecret: true),
                SettingKey("sshKeyPassphraseFile", .path, variable: "VZ_SSH_PRIVATE_KEY_PASSPHRASE_FILE"),
                SettingKey("sshKeyPassphrase", .text, variable: "VZ_SSH_PRIVATE_KEY_PASSPHRASE", isSecret: true),
                SettingKey("sshKexAlgorithms", .list, variable: "VZ_SSH_KEX_ALGORITHMS", standard: .list([])),
                SettingKey("sshPasswordFile", .path, variable: "VZ_SSH_PASSWORD_FILE"),
                SettingKey("sshPassword", .text, variable: "VZ_SSH_PASSWORD", isSecret: true),
                SettingKey(
                    "guestReadinessTimeout", .seconds(1...86_400), variable: "VZ_SSH_READINESS_TIMEOUT",
                    standard: .integer(300)),
                SettingKey(
                    "guestDialTimeout", .seconds(1...600), variable: "VZ_SSH_DIAL_TIMEOUT", standard: .integer(10)),
                SettingKey("vm.cpus", .integer(1...4096)),
                SettingKey("vm.memory", .text),
                SettingKey("vm.maxCPUs", .integer(1...4096)),
                SettingKey("vm.maxMemory", .text),
                SettingKey("vm.diskSize", .text),
                SettingKey("vm.display", .text),
                SettingKey("vm.nestedVirtualization", .boolean, standard: .boolean(false)),
                SettingKey("vm.bootArgs", .text),
                SettingKey("vm.holdOnFailure", .seconds(0...604_800), standard: .integer(0)),
                SettingKey("vmSlots", .integer(0...4096)),
                SettingKey("diskReserve", .text),
                SettingKey("lazyStart", .boolean, standard: .boolean(false)),
                SettingKey("vmHost", .path),
                SettingKey("podCIDR", .text),
                SettingKey("cniConfDir", .path),
                SettingKey("cniBinDir", .path, standard: .text("/opt/cni/bin")),
                SettingKey("bridgeInterface", .text, variable: "VZ_BRIDGE_INTERFACE"),
                SettingKey("logLevel", .choice(SettingsTable.logLevels), flag: "--log-level", standard: .text("info")),
            ])
    }

    private static let guestFields: [SettingKey.Field] = [
        .init("match"), .init("name"), .init("user", isRequired: true), .init("keyFile", isPath: true),
        .init("passwordFile", isPath: true), .init("passphraseFile", isPath: true),
    ]

    private static let registryFields: [SettingKey.Field] = [
        .init("host", isRequired: true), .init("mirrors", isList: true), .init("plainHTTP", isFlag: true),
        .init("insecure", isFlag: true), .init("ca", isPath: true), .init("cert", isPath: true),
        .init("key", isPath: true),
    ]

    public init(_ resolved: ResolvedSettings) {
        self.resolved = resolved
        listen = resolved.list("listen")
        socketGroup = resolved.text("socketGroup")
        tlsCert = resolved.text("tlsCert")
        tlsKey = resolved.text("tlsKey")
        clientCA = resolved.text("clientCA")
        clientAllow = resolved.list("clientAllow")
        advertiseAddress = resolved.text("advertiseAddress")
        root = resolved.text("root") ?? ""
        state = resolved.text("state")
        podLogs = resolved.text("podLogs") ?? ""
        dockerHost = resolved.text("dockerHost") ?? ""
        dockerCertPath = resolved.text("dockerCertPath")
        dockerTLSVerify = resolved.boolean("dockerTLSVerify")
        pauseImage = resolved.text("pauseImage")
        vmImages = resolved.list("vmImages")
        pinnedImages = resolved.list("pinnedImages").filter { !$0.isEmpty }
        imageMaximumAge = resolved.integer("imageMaximumAge") ?? 0
        imageGCHighThreshold = resolved.integer("imageGCHighThreshold") ?? 85
        imageGCLowThreshold = resolved.integer("imageGCLowThreshold") ?? 80
        prePullImages = resolved.list("prePull.images").filter { !$0.isEmpty }
        prePullRate = resolved.text("prePull.rate")
        prePullWindow = resolved.text("prePull.window")
        peers = Peers(resolved)
        registries = resolved.records("registries")
        imageCredentials = resolved.text("imageCredentials")
        guests = resolved.records("guests")
        sshUser = resolved.text("sshUser")
        sshKeyFile = resolved.text("sshKeyFile")
        sshKeyBase64 = resolved.text("sshKeyBase64")
        sshKeyPassphraseFile = resolved.text("sshKeyPassphraseFile")
        sshKeyPassphrase = resolved.text("sshKeyPassphrase")
        sshKexAlgorithms = resolved.list("sshKexAlgorithms").filter { !$0.isEmpty }
        sshPasswordFile = resolved.text("sshPasswordFile")
        sshPassword = resolved.text("sshPassword")
        guestReadinessTimeout = resolved.integer("guestReadinessTimeout") ?? 300
        guestDialTimeout = resolved.integer("guestDialTimeout") ?? 10
        vm = VM(resolved)
        vmSlots = resolved.integer("vmSlots")
        diskReserve = resolved.text("diskReserve")
        lazyStart = resolved.boolean("lazyStart")
        vmHost = resolved.text("vmHost")
        podCIDR = resolved.text("podCIDR")
        cniConfDir = resolved.text("cniConfDir")
        cniBinDir = resolved.text("cniBinDir") ?? ""
        bridgeInterface = resolved.text("bridgeInterface")
        logLevel = resolved.text("logLevel") ?? "info"
    }
}

extension ShimSettings {
    /// The mapping `vm`.
    public struct VM: Sendable {
        public var cpus: Int?
        public var memory: String?
        public var maxCPUs: Int?
        public var maxMemory: String?
        public var diskSize: String?
        public var display: String?
        public var nestedVirtualization: Bool
        public var bootArgs: String?
        /// Seconds.
        public var holdOnFailure: Int

        init(_ resolved: ResolvedSettings) {
            cpus = resolved.integer("vm.cpus")
            memory = resolved.text("vm.memory")
            maxCPUs = resolved.integer("vm.maxCPUs")
            maxMemory = resolved.text("vm.maxMemory")
            diskSize = resolved.text("vm.diskSize")
            display = resolved.text("vm.display")
            nestedVirtualization = resolved.boolean("vm.nestedVirtualization")
            bootArgs = resolved.text("vm.bootArgs")
            holdOnFailure = resolved.integer("vm.holdOnFailure") ?? 0
        }
    }
}

extension ShimSettings {
    /// The mapping `peers`.
    public struct Peers: Sendable {
        /// `HOST:PORT`
        public var addresses: [String]
        /// An endpoint, unparsed.
        public var listen: String?
        public var ca: String?
        public var cert: String?
        public var key: String?
        public var allow: [String]
        /// Bytes for each second, as Kubernetes writes amounts.
        public var rate: String?

        init(_ resolved: ResolvedSettings) {
            addresses = resolved.list("peers.addresses").filter { !$0.isEmpty }
            listen = resolved.text("peers.listen")
            ca = resolved.text("peers.ca")
            cert = resolved.text("peers.cert")
            key = resolved.text("peers.key")
            allow = resolved.list("peers.allow").filter { !$0.isEmpty }
            rate = resolved.text("peers.rate")
        }
    }
}

extension SettingsTable {
    /// As swift-log names them.
    public static let logLevels = ["trace", "debug", "info", "notice", "warning", "error", "critical"]
}
