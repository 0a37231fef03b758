/// `GET /containers/{id}/json`
public struct ContainerInspect: Decodable, Sendable {
    public struct State: Decodable, Sendable {
        /// `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`.
        public let status: String
        public let running: Bool
        public let paused: Bool
        public let restarting: Bool
        public let oomKilled: Bool
        /// On the engine's host; 0 when it does not run.
        public let pid: Int
        public let exitCode: Int
        /// Why it could not be started.
        public let error: String
        /// RFC 3339; the year 1 for never.
        public let startedAt: String
        public let finishedAt: String

        private enum CodingKeys: CodingKey {
            case status, running, paused, restarting, oomKilled, pid, exitCode, error, startedAt, finishedAt
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            status = try container.value(.status, or: "")
            running = try container.value(.running, or: false)
            paused = try container.value(.paused, or: false)
            restarting = try container.value(.restarting, or: false)
            oomKilled = try container.value(.oomKilled, or: false)
            pid = try container.value(.pid, or: 0)
            exitCode = try container.value(.exitCode, or: 0)
            error = try container.value(.error, or: "")
            startedAt = try container.value(.startedAt, or: "")
            finishedAt = try container.value(.finishedAt, or: "")
        }
    }

    public struct Config: Decodable, Sendable {
        public let image: String?
        public let hostname: String?
        public let user: String?
        public let entrypoint: [String]?
        public let cmd: [String]?
        public let env: [String]?
        public let labels: [String: String]?
        public let tty: Bool?
        public let openStdin: Bool?
    }

    public struct NetworkSettings: Decodable, Sendable {
        public struct Network: Decodable, Sendable {
            public let ipAddress: String?
            public let globalIPv6Address: String?
        }
        public let networks: [String: Network]?
    }

    public let id: String
    /// With a slash before it.
    public let name: String
    /// RFC 3339.
    public let created: String
    /// The image's id.
    public let image: String
    public let state: State
    public let config: Config?
    public let hostConfig: HostConfig?
    public let networkSettings: NetworkSettings?
    /// What the container has as /etc/hosts, on the engine's host.
    public let hostsPath: String?

    private enum CodingKeys: CodingKey {
        case id, name, created, image, state, config, hostConfig, networkSettings, hostsPath
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        name = try container.value(.name, or: "")
        created = try container.value(.created, or: "")
        image = try container.value(.image, or: "")
        // Without it nothing about the container can be said: no guess.
        state = try container.decode(State.self, forKey: .state)
        config = try container.decodeIfPresent(Config.self, forKey: .config)
        hostConfig = try container.decodeIfPresent(HostConfig.self, forKey: .hostConfig)
        networkSettings = try container.decodeIfPresent(NetworkSettings.self, forKey: .networkSettings)
        hostsPath = try container.decodeIfPresent(String.self, forKey: .hostsPath)
    }
}

/// An entry of `GET /containers/json`.
public struct ContainerSummary: Decodable, Sendable {
    public let id: String
    /// With a slash before each.
    public let names: [String]
    public let image: String
    /// Seconds since 1970.
    public let created: Int64
    /// As ``ContainerInspect/State/status``.
    public let state: String
    /// For people: `Up 3 minutes`.
    public let status: String
    public let labels: [String: String]

    private enum CodingKeys: CodingKey { case id, names, image, created, state, status, labels }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        names = try container.value(.names, or: [])
        image = try container.value(.image, or: "")
        created = try container.value(.created, or: 0)
        state = try container.value(.state, or: "")
        status = try container.value(.status, or: "")
        labels = try container.value(.labels, or: [:])
    }
}

/// `GET /exec/{id}/json`
public struct ExecInspect: Decodable, Sendable {
    public let running: Bool
    /// nil until it has ended.
    public let exitCode: Int?
    /// On the engine's host; 0 before it runs, and for a moment while it runs already: the engine learns it last.
    public let pid: Int?

    private enum CodingKeys: CodingKey { case running, exitCode, pid }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        running = try container.value(.running, or: false)
        exitCode = try container.decodeIfPresent(Int.self, forKey: .exitCode)
        pid = try container.decodeIfPresent(Int.self, forKey: .pid)
    }
}

struct Created: Decodable { let id: String }

/// What `POST /containers/{id}/wait` says in the end.
struct WaitOutcome: Decodable {
    struct Complaint: Decodable { let message: String? }
    let statusCode: Int?
    let error: Complaint?
}
