/// `GET /version`
public struct EngineVersion: Decodable, Sendable {
    public let version: String
    public let apiVersion: String
    public let minAPIVersion: String?
    public let os: String?
    public let architecture: String?

    private enum CodingKeys: String, CodingKey {
        case version, apiVersion, minAPIVersion, os
        case architecture = "arch"
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        version = try container.value(.version, or: "")
        apiVersion = try container.value(.apiVersion, or: "")
        minAPIVersion = try container.decodeIfPresent(String.self, forKey: .minAPIVersion)
        os = try container.decodeIfPresent(String.self, forKey: .os)
        architecture = try container.decodeIfPresent(String.self, forKey: .architecture)
    }
}

/// `GET /info`, the parts we look at.
public struct EngineInfo: Decodable, Sendable {
    public let name: String?
    public let operatingSystem: String?
    public let architecture: String?
    public let kernelVersion: String?
    public let cgroupDriver: String?
    public let cgroupVersion: String?
    public let dockerRootDir: String?
    /// The storage driver: `overlay2`, …
    public let driver: String?
    /// The log driver of containers that name none.
    public let loggingDriver: String?
    public let securityOptions: [String]?
    public let ncpu: Int?
    /// Bytes.
    public let memTotal: Int64?
}

/// An entry of `GET /events`.
public struct DockerEvent: Decodable, Sendable {
    public struct Actor: Decodable, Sendable {
        /// Of the container, image, network, …; for an image this may be its name.
        public let id: String
        /// Labels, and what the action adds: `exitCode`, `signal`, `name`, …
        public let attributes: [String: String]?

        private enum CodingKeys: CodingKey { case id, attributes }

        init() {
            id = ""
            attributes = nil
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            id = try container.value(.id, or: "")
            attributes = try container.decodeIfPresent([String: String].self, forKey: .attributes)
        }
    }

    /// `container`, `image`, …
    public let type: String
    /// `start`, `die`, …; `exec_create: sh` and its kind without what comes after the colon.
    public let action: String
    /// What came after the colon.
    public let detail: String?
    public let actor: Actor
    /// Nanoseconds since 1970.
    public let timeNano: Int64?

    private enum CodingKeys: CodingKey { case type, action, actor, timeNano, time }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        type = try container.value(.type, or: "")
        // health_status: healthy, exec_start: /bin/sh -c "…"
        let parts = try container.value(.action, or: "").split(separator: ":", maxSplits: 1)
        action = parts.first.map(String.init) ?? ""
        detail = parts.count == 2 ? String(parts[1].drop { $0 == " " }) : nil
        actor = try container.value(.actor, or: Actor())
        timeNano =
            try container.decodeIfPresent(Int64.self, forKey: .timeNano)
            ?? container.decodeIfPresent(Int64.self, forKey: .time).map { $0 * 1_000_000_000 }
    }

    /// How the process of a `die` event ended.
    public var exitCode: Int? { actor.attributes?["exitCode"].flatMap { Int($0) } }
}

struct Failure: Decodable { let message: String }
struct DiskUsage: Decodable { let layersSize: Int64? }
