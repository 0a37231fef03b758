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

    /// The engine writes null for a port without bindings.
    private struct Ports: Codable {
        var bindings: [String: [PortBinding]]

        init(bindings: [String: [PortBinding]]) { self.bindings = bindings }

        init(from decoder: any Decoder) throws {
            bindings = try decoder.singleValueContainer().decode([String: [PortBinding]?].self).mapValues { $0 ?? [] }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(bindings)
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
    /// `name:address`, for /etc/hosts.
    public var extraHosts: [String]?
    /// By port: `80/tcp`.
    public var portBindings: [String: [PortBinding]]? {
        get { ports?.bindings }
        set { ports = newValue.map { Ports(bindings: $0) } }
    }
    private var ports: Ports?
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

    private enum CodingKeys: String, CodingKey {
        case logConfig, networkMode, ipcMode, pidMode, utsMode, dns, dnsSearch, dnsOptions, extraHosts
        case sysctls
        case cgroupParent, securityOpt, readonlyRootfs, maskedPaths, readonlyPaths, privileged, capAdd, capDrop
        case groupAdd, binds, devices, cpuShares, cpuPeriod, cpuQuota, cpusetCpus, cpusetMems, memory
        case memorySwap, oomScoreAdj
        case ports = "portBindings"
    }
}
