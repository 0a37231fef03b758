import HTTP
public import Logging
public import NIOCore
import NIOHTTP1
public import Sockets
import Synchronization
public import TLS

/// A client of one Docker Engine (Engine API 1.40 and later).
///
/// Every call throws `DockerError`: `unavailable` when the engine cannot be reached, `notFound`, `conflict`,
/// `invalidArgument` and `failed` with the engine's own words.
public final class DockerClient: Sendable {
    public let endpoint: Endpoint
    private let http: HTTPClient
    private let logger: Logger
    private let apiVersion = Mutex<String?>(nil)

    /// The newest API this client was written for.
    static let newest = APIVersion(major: 1, minor: 47)
    static let oldest = APIVersion(major: 1, minor: 40)

    public init(endpoint: Endpoint, tls: TLSContext? = nil, group: any EventLoopGroup, logger: Logger) {
        self.endpoint = endpoint
        self.logger = logger
        http = HTTPClient(endpoint: endpoint, tls: tls, group: group)
    }

    public func close() async { await http.close() }

    // MARK: Requests

    /// The answer's body, decoded.
    func get<T: Decodable>(
        _ path: String, _ query: [(name: String, value: String)] = [], timeout: Duration = .seconds(30)
    ) async throws -> T {
        let response = try await send(.GET, path, query, timeout: timeout)
        return try Self.decode(try await collect(response), path)
    }

    func post<T: Decodable>(
        _ path: String, _ query: [(name: String, value: String)] = [], json: (some Encodable)?,
        timeout: Duration
    ) async throws -> T {
        let response = try await send(.POST, path, query, body: try json.map { .bytes(try DockerJSON.encode($0)) } ?? .none, timeout: timeout)
        return try Self.decode(try await collect(response), path)
    }

    /// For what answers nothing of interest.
    func perform(
        _ method: HTTPMethod, _ path: String, _ query: [(name: String, value: String)] = [], body: HTTPClient.RequestBody = .none,
        timeout: Duration = .seconds(30)
    ) async throws {
        let response = try await send(method, path, query, body: body, timeout: timeout)
        _ = try await collect(response)
    }

    /// The answer with its body still to be read.
    func send(
        _ method: HTTPMethod, _ path: String, _ query: [(name: String, value: String)] = [], headers: HTTPHeaders = [:],
        body: HTTPClient.RequestBody = .none, timeout: Duration
    ) async throws -> HTTPClientResponse {
        let target = "/v\(try await negotiated())\(path)\(PercentCoding.query(query))"
        return try await exchange(method, target, headers, body, timeout)
    }

    private func exchange(
        _ method: HTTPMethod, _ target: String, _ headers: HTTPHeaders, _ body: HTTPClient.RequestBody, _ timeout: Duration
    ) async throws -> HTTPClientResponse {
        var headers = headers
        if case .bytes = body { headers.add(name: "content-type", value: "application/json") }
        let response: HTTPClientResponse
        do {
            response = try await http.execute(
                method, target, headers: headers, body: body, timeout: .nanoseconds(timeout.nanoseconds))
        } catch let error as HTTPError {
            throw unreachable(error)
        }
        guard response.status.code >= 300 else { return response }
        let text = (try? await response.body.collect(upTo: 1 << 20)) ?? ByteBuffer()
        throw Self.refusal(UInt(response.status.code), text)
    }

    /// A connection that becomes the streams of a process.
    func hijack(_ path: String, _ query: [(name: String, value: String)] = [], json: (some Encodable)?, tty: Bool) async throws -> DockerStream {
        let target = "/v\(try await negotiated())\(path)\(PercentCoding.query(query))"
        var headers: HTTPHeaders = [:]
        let body = try json.map { try DockerJSON.encode($0) }
        if body != nil { headers.add(name: "content-type", value: "application/json") }
        do {
            let (_, connection) = try await http.upgrade(.POST, target, headers: headers, body: body, to: "tcp", timeout: .seconds(60))
            return DockerStream(connection, tty: tty)
        } catch let error as HTTPUpgradeRefused {
            throw Self.refusal(error.status.code, ByteBuffer(string: error.text))
        } catch let error as HTTPError {
            throw unreachable(error)
        }
    }

    private func collect(_ response: HTTPClientResponse) async throws -> ByteBuffer {
        do {
            return try await response.body.collect(upTo: 64 << 20)
        } catch let error as HTTPError {
            throw unreachable(error)
        }
    }

    private static func decode<T: Decodable>(_ bytes: ByteBuffer, _ path: String) throws -> T {
        do {
            return try DockerJSON.decode(T.self, from: bytes)
        } catch {
            throw DockerError(.failed, "the engine's answer to \(path) cannot be read", cause: error)
        }
    }

    // MARK: Errors

    private func unreachable(_ error: HTTPError) -> DockerError {
        if error.code == .timedOut { return DockerError(.unavailable, "the Docker Engine at \(endpoint) does not answer: \(error.message)") }
        return DockerError(.unavailable, "the Docker Engine at \(endpoint) cannot be reached", cause: error.cause ?? error)
    }

    static func refusal(_ status: UInt, _ body: ByteBuffer) -> DockerError {
        let message = (try? DockerJSON.decode(Failure.self, from: body).message) ?? String(buffer: body)
        let code: DockerError.Code =
            switch status {
            case 304: .notModified
            case 400: .invalidArgument
            case 404: .notFound
            case 409: .conflict
            case 503: .unavailable
            default: .failed
            }
        return DockerError(code, message.isEmpty ? "the engine answered HTTP \(status)" : String(message))
    }

    // MARK: API version

    private func negotiated() async throws -> String {
        if let known = apiVersion.withLock({ $0 }) { return known }
        _ = try await version()
        return apiVersion.withLock { $0 } ?? Self.oldest.description
    }

    /// What the engine is; also agrees on the API version anew.
    public func version() async throws -> EngineVersion {
        let response = try await exchange(.GET, "/version", [:], .none, .seconds(10))
        let version: EngineVersion = try Self.decode(try await collect(response), "/version")
        guard let offered = APIVersion(version.apiVersion), offered >= Self.oldest else {
            throw DockerError(
                .failed, "the engine at \(endpoint) speaks API \(version.apiVersion); at least \(Self.oldest) (Docker 19.03) is needed")
        }
        let lowest = version.minAPIVersion.flatMap(APIVersion.init) ?? Self.oldest
        let chosen = max(lowest, min(offered, Self.newest)).description
        apiVersion.withLock { $0 = chosen }
        return version
    }

    public func info() async throws -> EngineInfo { try await get("/info") }
}

/// `1.41`
struct APIVersion: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    init?(_ text: String) {
        let parts = text.split(separator: ".")
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]) else { return nil }
        self.init(major: major, minor: minor)
    }

    static func < (left: Self, right: Self) -> Bool { (left.major, left.minor) < (right.major, right.minor) }
    var description: String { "\(major).\(minor)" }
}

extension Duration {
    var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
