/// `GET /version`
public struct EngineVersion: Decodable, Sendable {
    public let version: String
    public let apiVersion: String
    public let minAPIVersion: String?
}

/// `GET /info`, the parts we look at.
public struct EngineInfo: Decodable, Sendable {
    public let operatingSystem: String?
    public let architecture: String?
    public let kernelVersion: String?
    public let cgroupDriver: String?
    public let cgroupVersion: String?
    public let dockerRootDir: String?
    public let driver: String?
    public let securityOptions: [String]?
}

/// `GET /containers/{id}/json`
public struct ContainerInspect: Decodable, Sendable {
    public struct State: Decodable, Sendable {
        public let status: String
        public let running: Bool
        public let paused: Bool
        public let restarting: Bool
        public let oomKilled: Bool
        public let pid: Int
        public let exitCode: Int
        public let error: String
        /// RFC 3339; the year 1 for never.
        public let startedAt: String
        public let finishedAt: String
    }

    public struct Config: Decodable, Sendable {
        public let labels: [String: String]?
        public let tty: Bool?
    }

    public struct NetworkSettings: Decodable, Sendable {
        public struct Network: Decodable, Sendable {
            public let ipAddress: String?
            public let globalIPv6Address: String?
        }
        public let networks: [String: Network]?
    }

    public let id: String
    public let created: String
    public let state: State
    public let config: Config?
    public let hostConfig: HostConfig?
    public let networkSettings: NetworkSettings?
}

/// An entry of `GET /containers/json`.
public struct ContainerSummary: Decodable, Sendable {
    public let id: String
    /// Seconds since 1970.
    public let created: Int64
    public let state: String
    private let allLabels: [String: String]?

    public var labels: [String: String] { allLabels ?? [:] }

    private enum CodingKeys: String, CodingKey {
        case id, created, state
        case allLabels = "labels"
    }
}

/// An entry of `GET /images/json`.
public struct ImageSummary: Decodable, Sendable {
    public let id: String
    public let repoTags: [String]?
    public let repoDigests: [String]?
    public let size: Int64
}

/// `GET /images/{name}/json`
public struct ImageInspect: Decodable, Sendable {
    public struct Config: Decodable, Sendable {
        public let user: String?
        public let entrypoint: [String]?
        public let cmd: [String]?
        public let env: [String]?
        public let workingDir: String?
        public let labels: [String: String]?
    }

    public let id: String
    public let repoTags: [String]?
    public let repoDigests: [String]?
    public let size: Int64
    public let architecture: String?
    public let os: String?
    public let created: String?
    public let config: Config?
}

/// `GET /exec/{id}/json`
public struct ExecInspect: Decodable, Sendable {
    public let running: Bool
    public let exitCode: Int?
    /// On the engine's host; 0 before it runs.
    public let pid: Int?
}

/// An entry of `GET /events`.
public struct DockerEvent: Decodable, Sendable {
    public struct Actor: Decodable, Sendable {
        public let id: String
        public let attributes: [String: String]?
    }

    /// `container`, `image`, …
    public let type: String
    /// `start`, `die`, …; some carry more after a colon.
    public let action: String
    public let actor: Actor
    public let timeNano: Int64?
}

/// What a registry is told: one of the three.
public struct RegistryAuth: Encodable, Sendable {
    public var username: String?
    public var password: String?
    public var identityToken: String?
    public var registryToken: String?
    public var serverAddress = ""

    public init() {}

    // The engine reads these in lower case.
    private enum CodingKeys: String, CodingKey {
        case username, password
        case identityToken = "identitytoken"
        case registryToken = "registrytoken"
        case serverAddress = "serveraddress"
    }
}

/// One message of a pull or import as it goes on.
public struct PullProgress: Decodable, Sendable {
    public let id: String?
    public let status: String?
    let error: String?
}

struct Created: Decodable { let id: String }
struct Failure: Decodable { let message: String }
struct DiskUsage: Decodable { let layersSize: Int64? }
