public import HTTP
import Logging
import NIOConcurrencyHelpers
public import NIOCore
public import NIOHTTP1
import NIOPosix
public import Registry
import Sockets
public import TLS

/// A registry in this process, on loopback and over plain HTTP, that can be made to misbehave.
public final class RegistryDouble: Sendable {
    /// How it lets clients in.
    public enum Access: Sendable, Hashable {
        case anybody
        case basic(user: String, password: String)
        /// A token server beside the registry gives tokens: to anybody to pull, to this user for everything. Its refresh
        /// token is `refresh-` and the user's name.
        case tokens(user: String, password: String)
        /// The same, and nobody pulls without being the user.
        case privateTokens(user: String, password: String)
    }

    public struct Seen: Sendable {
        public var method: HTTPMethod
        public var target: String
        public var headers: HTTPHeaders
        public var path: String { String(target.prefix { $0 != "?" }) }
    }

    struct Stored: Sendable {
        var type: String
        var bytes: ByteBuffer
    }

    struct State {
        var access = Access.anybody
        var servesRanges = true
        var takesMounts = true
        /// An upload's PATCH is broken off after so many bytes, once.
        var breaksUploadAfter: Int?
        var hook: (@Sendable (HTTPRequest) async throws -> HTTPResponse?)?
        var seen: [Seen] = []
        var blobs: [String: ByteBuffer] = [:]
        var repositories: [String: Set<String>] = [:]
        /// By repository, then by tag and digest.
        var manifests: [String: [String: Stored]] = [:]
        var uploads: [String: ByteBuffer] = [:]
        var next = 0
        /// Tokens that count, with their scopes.
        var tokens: [String: Set<String>] = [:]
        var lifetime = 300
    }

    let state = NIOLockedValueBox(State())
    private let port = NIOLockedValueBox(0)

    private init() {}

    /// Runs one for `body`.
    /// - Parameter tls: nil is plain HTTP.
    public static func run<R>(
        tls: TLSContext? = nil, _ body: (RegistryDouble) async throws -> R
    ) async throws -> R {
        let double = RegistryDouble()
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0, tls: tls)], drainTime: .seconds(1),
            logger: Logger(label: "registry", factory: { _ in SwiftLogNoOpLogHandler() }),
            group: MultiThreadedEventLoopGroup.singleton
        ) { try await double.answer($0) }
        guard case .tcp(_, let port) = try await server.start()[0] else { preconditionFailure("bound to no port") }
        double.port.withLockedValue { $0 = port }
        do {
            let result = try await body(double)
            await server.drain(within: .zero)
            return result
        } catch {
            await server.drain(within: .zero)
            throw error
        }
    }

    /// `127.0.0.1:PORT`
    public var address: String { "127.0.0.1:\(port.withLockedValue { $0 })" }

    // MARK: What it has

    @discardableResult
    public func add(blob: [UInt8], to repository: String) -> Descriptor {
        let digest = Digest.sha256(blob)
        state.withLockedValue { state in
            state.blobs[digest] = ByteBuffer(bytes: blob)
            state.repositories[repository, default: []].insert(digest)
        }
        return Descriptor(mediaType: "application/octet-stream", digest: digest, size: Int64(blob.count))
    }

    @discardableResult
    public func add(manifest: String, type: String = MediaType.manifest, to repository: String, tag: String? = nil)
        -> Descriptor
    {
        let bytes = ByteBuffer(string: manifest)
        let digest = Digest.sha256(bytes.readableBytesView)
        state.withLockedValue { state in
            for name in [digest, tag].compactMap({ $0 }) {
                state.manifests[repository, default: [:]][name] = Stored(type: type, bytes: bytes)
            }
        }
        return Descriptor(mediaType: type, digest: digest, size: Int64(bytes.readableBytes))
    }

    public func blob(_ digest: String) -> ByteBuffer? { state.withLockedValue { $0.blobs[digest] } }

    public func manifest(_ name: String, of repository: String) -> ByteBuffer? {
        state.withLockedValue { $0.manifests[repository]?[name]?.bytes }
    }

    /// Requests so far, in their order.
    public var seen: [Seen] { state.withLockedValue { $0.seen } }

    // MARK: How it behaves

    public func set(access: Access) { state.withLockedValue { $0.access = access } }
    public func set(servesRanges: Bool) { state.withLockedValue { $0.servesRanges = servesRanges } }
    public func set(takesMounts: Bool) { state.withLockedValue { $0.takesMounts = takesMounts } }
    public func breakUpload(after bytes: Int) { state.withLockedValue { $0.breaksUploadAfter = bytes } }
    /// Tokens that were given count no more.
    public func forgetTokens() { state.withLockedValue { $0.tokens = [:] } }

    /// Asked first about every request; nil leaves it to the registry.
    public func intercept(_ hook: @escaping @Sendable (HTTPRequest) async throws -> HTTPResponse?) {
        state.withLockedValue { $0.hook = hook }
    }

    private func answer(_ request: HTTPRequest) async throws -> HTTPResponse {
        let hook = state.withLockedValue { state in
            state.seen.append(Seen(method: request.method, target: request.target, headers: request.headers))
            return state.hook
        }
        if var answer = try await hook?(request) {
            // Without a length the answer to a HEAD would end as a body does that is not there.
            if request.method == .HEAD, case .none = answer.body, !answer.headers.contains(name: "Content-Length") {
                answer.headers.add(name: "Content-Length", value: "0")
            }
            return answer
        }
        if request.path == "/token" { return try await token(request) }
        if let refusal = refusal(request) { return refusal }
        return try await route(request)
    }

    // MARK: Ways to misbehave

    private struct Broken: Error {}

    /// Announces all of the bytes, sends a part, and breaks the connection.
    public static func cut(
        _ bytes: ByteBuffer, after count: Int, status: HTTPResponseStatus = .ok, headers: HTTPHeaders = [:]
    )
        -> HTTPResponse
    {
        partial(bytes, count, status, headers) { throw Broken() }
    }

    /// Announces all of the bytes, sends a part, and says nothing more.
    public static func stall(_ bytes: ByteBuffer, after count: Int) -> HTTPResponse {
        partial(bytes, count, .ok, [:]) { try await Task.sleep(for: .seconds(600)) }
    }

    private static func partial(
        _ bytes: ByteBuffer, _ count: Int, _ status: HTTPResponseStatus, _ headers: HTTPHeaders,
        _ end: @escaping @Sendable () async throws -> Void
    ) -> HTTPResponse {
        var headers = headers
        headers.replaceOrAdd(name: "Content-Length", value: "\(bytes.readableBytes)")
        return HTTPResponse(
            status, headers: headers,
            body: .stream { writer in
                if count > 0, let part = bytes.getSlice(at: bytes.readerIndex, length: count) {
                    try await writer.write(part)
                }
                try await end()
            })
    }
}
