/// The body of `POST /containers/create`. What is nil or empty is the engine's default.
public struct ContainerCreateRequest: Encodable, Sendable {
    public var image: String
    public var hostname: String?
    public var user = ""
    public var entrypoint: [String]?
    public var cmd: [String]?
    public var env: [String] = []
    public var workingDir = ""
    public var tty = false
    public var openStdin = false
    public var stdinOnce = false
    public var stopSignal: String?
    public var labels: [String: String] = [:]
    /// `80/tcp`
    public var exposedPorts: Set<String> = []
    public var hostConfig = HostConfig()

    public init(image: String) { self.image = image }

    private enum CodingKeys: String, CodingKey {
        case image, hostname, user, entrypoint, cmd, env, workingDir, tty, openStdin, stdinOnce, stopSignal, labels
        case exposedPorts, hostConfig
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(image, forKey: .image)
        try container.encodeIfPresent(hostname, forKey: .hostname)
        try container.encode(user, forKey: .user)
        try container.encodeIfPresent(entrypoint, forKey: .entrypoint)
        try container.encodeIfPresent(cmd, forKey: .cmd)
        try container.encode(env, forKey: .env)
        try container.encode(workingDir, forKey: .workingDir)
        try container.encode(tty, forKey: .tty)
        try container.encode(openStdin, forKey: .openStdin)
        try container.encode(stdinOnce, forKey: .stdinOnce)
        try container.encodeIfPresent(stopSignal, forKey: .stopSignal)
        try container.encode(labels, forKey: .labels)
        try container.encode(Dictionary(uniqueKeysWithValues: exposedPorts.map { ($0, [String: String]()) }), forKey: .exposedPorts)
        try container.encode(hostConfig, forKey: .hostConfig)
    }
}

/// How a container meets its host; also what inspection shows of it.
public struct HostConfig: Codable, Sendable {
    public struct LogConfig: Codable, Sendable {
        public var type: String
        public var config: [String: String]?

        public init(type: String, config: [String: String]) {
            self.type = type
            self.config = config
        }
    }

    public struct PortBinding: Codable, Sendable {
        public var hostIp: String
        public var hostPort: String

        public init(hostIP: String, hostPort: String) {
            hostIp = hostIP
            self.hostPort = hostPort
        }
    }

    public struct Device: Codable, Sendable {
        public var pathOnHost: String
        public var pathInContainer: String
        public var cgroupPermissions: String

        public init(pathOnHost: String, pathInContainer: String, cgroupPermissions: String) {
            self.pathOnHost = pathOnHost
            self.pathInContainer = pathInContainer
            self.cgroupPermissions = cgroupPermissions
        }
    }

    public var logConfig: LogConfig?
    public var networkMode: String?
    public var ipcMode: String?
    public var pidMode: String?
    public var utsMode: String?
    public var dns: [String]?
    public var dnsSearch: [String]?
    public var dnsOptions: [String]?
    public var portBindings: [String: [PortBinding]]?
    public var sysctls: [String: String]?
    public var cgroupParent: String?
    public var securityOpt: [String]?
    public var readonlyRootfs: Bool?
    public var maskedPaths: [String]?
    public var readonlyPaths: [String]?
    public var privileged: Bool?
    public var capAdd: [String]?
    public var capDrop: [String]?
    public var groupAdd: [String]?
    public var binds: [String]?
    public var devices: [Device]?
    public var cpuShares: Int64?
    public var cpuPeriod: Int64?
    public var cpuQuota: Int64?
    public var cpusetCpus: String?
    public var cpusetMems: String?
    /// Bytes.
    public var memory: Int64?
    /// Bytes of memory and swap together.
    public var memorySwap: Int64?
    public var oomScoreAdj: Int?

    public init() {}
}

/// The body of `POST /containers/{id}/update`. nil leaves a limit as it is.
public struct ContainerUpdate: Encodable, Sendable {
    public var cpuShares: Int64?
    public var cpuPeriod: Int64?
    public var cpuQuota: Int64?
    public var cpusetCpus: String?
    public var cpusetMems: String?
    public var memory: Int64?
    public var memorySwap: Int64?

    public init() {}
}

/// The body of `POST /containers/{id}/exec`.
public struct ExecCreateRequest: Encodable, Sendable {
    public var cmd: [String]
    public var attachStdin: Bool
    public var attachStdout: Bool
    public var attachStderr: Bool
    public var tty: Bool

    public init(cmd: [String], attachStdin: Bool, attachStdout: Bool, attachStderr: Bool, tty: Bool) {
        self.cmd = cmd
        self.attachStdin = attachStdin
        self.attachStdout = attachStdout
        self.attachStderr = attachStderr
        self.tty = tty
    }
}
