/// An entry of `GET /images/json`.
public struct ImageSummary: Decodable, Sendable {
    public let id: String
    public let repoTags: [String]?
    public let repoDigests: [String]?
    /// Bytes.
    public let size: Int64
    public let labels: [String: String]?

    private enum CodingKeys: CodingKey { case id, repoTags, repoDigests, size, labels }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        repoTags = try container.decodeIfPresent([String].self, forKey: .repoTags)
        repoDigests = try container.decodeIfPresent([String].self, forKey: .repoDigests)
        size = try container.value(.size, or: 0)
        labels = try container.decodeIfPresent([String: String].self, forKey: .labels)
    }
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
        public let stopSignal: String?
    }

    public let id: String
    public let repoTags: [String]?
    public let repoDigests: [String]?
    /// Bytes.
    public let size: Int64
    public let architecture: String?
    public let os: String?
    /// RFC 3339.
    public let created: String?
    public let config: Config?

    private enum CodingKeys: CodingKey { case id, repoTags, repoDigests, size, architecture, os, created, config }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        id = try container.decode(String.self, forKey: .id)
        repoTags = try container.decodeIfPresent([String].self, forKey: .repoTags)
        repoDigests = try container.decodeIfPresent([String].self, forKey: .repoDigests)
        size = try container.value(.size, or: 0)
        architecture = try container.decodeIfPresent(String.self, forKey: .architecture)
        os = try container.decodeIfPresent(String.self, forKey: .os)
        created = try container.decodeIfPresent(String.self, forKey: .created)
        config = try container.decodeIfPresent(Config.self, forKey: .config)
    }
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

/// One message of a pull, import or load as it goes on.
public struct PullProgress: Decodable, Sendable {
    public struct Detail: Decodable, Sendable {
        /// Bytes so far, and of how many.
        public let current: Int64?
        public let total: Int64?
    }

    struct Complaint: Decodable {
        let code: Int?
        let message: String?
    }

    /// The layer's short id.
    public let id: String?
    public let status: String?
    public let progressDetail: Detail?
    /// What a load says.
    let stream: String?
    let error: String?
    let errorDetail: Complaint?

    /// The failure this message reports: the engine has answered 200 long before.
    var failure: DockerError? {
        guard error != nil || errorDetail != nil else { return nil }
        let words = [errorDetail?.message, error].compactMap(\.self).first { !$0.isEmpty }
        let code = errorDetail?.code.map { DockerError.Code(status: UInt(clamping: $0)) } ?? .failed
        return DockerError(code, words ?? "the engine reports a failure without a reason")
    }
}
