import FoundationEssentials
import HTTP
public import Logging
public import NIOCore
import NIOHTTP1
public import Sockets
import Synchronization
public import TLS

/// A client of one Docker Engine (Engine API 1.40 and later).
///
/// Every call throws `DockerError`: `unavailable` when the engine cannot be reached or does not answer in time,
/// `notFound`, `conflict`, `invalidArgument` and `failed` with the engine's own words. Streams throw it too while they
/// are read. A cancelled task throws `CancellationError`.
public final class DockerClient: Sendable {
    typealias Query = [(name: String, value: String)]

    public let endpoint: Endpoint
    private let http: HTTPClient
    private let logger: Logger
    private let apiVersion = Mutex<APIVersion?>(nil)

    public init(endpoint: Endpoint, tls: TLSContext? = nil, group: any EventLoopGroup, logger: Logger) {
        self.endpoint = endpoint
        self.logger = logger
        http = HTTPClient(endpoint: endpoint, tls: tls, group: group)
    }

    /// Closes idle connections. Streams being read stay open.
    public func close() async { await http.close() }

    // MARK: The engine

    /// Whether the engine answers.
    public func ping() async throws {
        _ = try await withDeadline(.seconds(10), "/_ping") { [self] in
            try await collect(try await exchange(.GET, "/_ping"), "/_ping")
        }
    }

    /// What the engine is; also agrees on the API version anew.
    public func version() async throws -> EngineVersion {
        let bytes = try await withDeadline(.seconds(10), "/version") { [self] in
            try await collect(try await exchange(.GET, "/version"), "/version")
        }
        let version: EngineVersion = try Self.decode(bytes, "/version")
        guard let agreed = APIVersion.agreed(offered: version.apiVersion, lowest: version.minAPIVersion) else {
            throw DockerError(
                .failed,
                "the engine at \(endpoint) speaks API \(version.apiVersion); at least \(APIVersion.oldest) "
                    + "(Docker 19.03) is needed: update it")
        }
        let known = apiVersion.withLock { known in
            defer { known = agreed }
            return known
        }
        if known != agreed {
            logger.debug(
                "docker api version agreed", metadata: ["version": "\(agreed)", "engine": "\(version.version)"])
        }
        return version
    }

    public func info() async throws -> EngineInfo { try await get("/info") }

    private func prefix() async throws -> String {
        if let known = apiVersion.withLock({ $0 }) { return "/v\(known)" }
        _ = try await version()
        return "/v\(apiVersion.withLock { $0 } ?? APIVersion.oldest)"
    }

    // MARK: Requests

    /// The answer's body, decoded.
    func get<T: Decodable>(_ path: String, _ query: Query = [], timeout: Duration = .seconds(30)) async throws -> T {
        try Self.decode(try await call(.GET, path, query, timeout: timeout), path)
    }

    func post<T: Decodable>(
        _ path: String, _ query: Query = [], json: some Encodable, timeout: Duration
    ) async throws -> T {
        try Self.decode(
            try await call(.POST, path, query, body: .bytes(try DockerJSON.encode(json)), timeout: timeout), path)
    }

    /// Sends a request and reads the whole answer, all within `timeout`.
    @discardableResult
    func call(
        _ method: HTTPMethod, _ path: String, _ query: Query = [], body: HTTPClient.RequestBody = .none,
        timeout: Duration = .seconds(30)
    ) async throws -> ByteBuffer {
        let suffix = path + PercentCoding.query(query)
        return try await withDeadline(timeout, path) { [self] in
            try await collect(try await exchange(method, try await prefix() + suffix, body: body), path)
        }
    }

    /// Sends a request; the answer's body is read as it comes.
    /// - Parameter timeout: until the answer begins.
    func open(
        _ method: HTTPMethod, _ path: String, _ query: Query = [], headers: HTTPHeaders = [:],
        body: HTTPClient.RequestBody = .none, timeout: Duration = .seconds(30)
    ) async throws -> EngineBytes {
        let suffix = path + PercentCoding.query(query)
        let response = try await withDeadline(timeout, path) { [self] in
            try await exchange(method, try await prefix() + suffix, headers: headers, body: body)
        }
        return EngineBytes(body: response.body, what: path, endpoint: endpoint)
    }

    /// Sends a request after which the connection is a process's streams.
    /// - Parameter rawQuery: encoded already.
    func hijack(
        _ path: String, rawQuery: String = "", body: ByteBuffer? = nil, tty: Bool
    ) async throws -> DockerStream {
        let connection = try await withDeadline(.seconds(60), path) { [self] in
            let target = try await prefix() + path + rawQuery
            let headers: HTTPHeaders = body == nil ? [:] : ["content-type": "application/json"]
            do {
                return try await http.upgrade(.POST, target, headers: headers, body: body, to: "tcp", timeout: nil)
                    .connection
            } catch let error as HTTPUpgradeRefused {
                throw DockerError.refusal(error.status.code, ByteBuffer(string: error.text))
            } catch {
                throw DockerError.explained(error, path, endpoint)
            }
        }
        return DockerStream(connection, what: path, endpoint: endpoint, tty: tty)
    }

    private func exchange(
        _ method: HTTPMethod, _ target: String, headers: HTTPHeaders = [:], body: HTTPClient.RequestBody = .none
    ) async throws -> HTTPClientResponse {
        var headers = headers
        if case .bytes = body { headers.add(name: "content-type", value: "application/json") }
        do {
            let response = try await http.execute(method, target, headers: headers, body: body, timeout: nil)
            guard response.status.code >= 300 else { return response }
            throw DockerError.refusal(response.status.code, try await response.body.collect(upTo: 1 << 20))
        } catch {
            throw DockerError.explained(error, String(target.prefix { $0 != "?" }), endpoint)
        }
    }

    private func collect(_ response: HTTPClientResponse, _ path: String) async throws -> ByteBuffer {
        do {
            return try await response.body.collect(upTo: 64 << 20)
        } catch {
            throw DockerError.explained(error, path, endpoint)
        }
    }

    static func decode<T: Decodable>(_ bytes: ByteBuffer, _ path: String) throws -> T {
        do {
            return try DockerJSON.decode(T.self, from: bytes)
        } catch {
            throw DockerError(.failed, "the engine's answer to \(path) cannot be read", cause: error)
        }
    }

    /// An id or name as part of a path.
    /// - Throws: `invalidArgument` for one that would make another path.
    static func segment(_ name: String) throws -> String {
        guard !name.isEmpty, name != ".", name != ".." else {
            throw DockerError(.invalidArgument, "\"\(name)\" is no name or id")
        }
        return PercentCoding.encode(name)
    }

    static func filters(_ filters: [String: [String]]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(filters), as: UTF8.self)
    }

    /// Seconds since 1970 with nine places, as the engine reads times.
    static func seconds(_ nanoseconds: Int64) -> String {
        let rest = String(nanoseconds % 1_000_000_000)
        return "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: max(0, 9 - rest.utf8.count)))\(rest)"
    }
}
