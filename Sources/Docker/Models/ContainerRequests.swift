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
        // A set, as Go writes it.
        let ports = Dictionary(uniqueKeysWithValues: exposedPorts.map { ($0, [String: String]()) })
        try container.encode(ports, forKey: .exposedPorts)
        try container.encode(hostConfig, forKey: .hostConfig)
    }
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
    /// `NAME=VALUE`, beside the container's own.
    public var env: [String]?
    public var workingDir: String?
    public var user: String?
    public var privileged: Bool?
    /// The engine would hold back each control-P of a terminal and end the session at control-P control-Q. It takes no
    /// empty sequence, so it is one that nobody types.
    private let detachKeys = "ctrl-^,ctrl-_,ctrl-^,ctrl-_"

    public init(cmd: [String], attachStdin: Bool, attachStdout: Bool, attachStderr: Bool, tty: Bool) {
        self.cmd = cmd
        self.attachStdin = attachStdin
        self.attachStdout = attachStdout
        self.attachStderr = attachStderr
        self.tty = tty
    }
}
