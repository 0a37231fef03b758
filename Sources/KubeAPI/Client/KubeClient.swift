import AsyncHTTPClient
public import Logging
public import NIOCore
import NIOHTTP1
import Waiting

/// Reads and changes the objects of a cluster.
///
/// Every call throws ``KubeAPIError``: `unavailable` when the API server does not answer, `refused` when it says no (with
/// its own words), `failed` when our credentials cannot be had or the answer makes no sense.
public final class KubeClient: Sendable {
    public struct Options: Sendable {
        /// For a whole request but a watch.
        public var timeout: Duration = .seconds(30)
        /// A server that says when to ask again is asked that often.
        public var retries = 8
        /// The longest we wait before.
        public var maximumDelay: Duration = .seconds(30)
        /// Is told of every request once its answer begins, or does not come.
        public var onCall: (@Sendable (KubeCall) -> Void)?

        public init(onCall: (@Sendable (KubeCall) -> Void)? = nil) { self.onCall = onCall }
    }

    /// How a patch is read (`Content-Type`).
    public enum PatchKind: String, Sendable {
        case merge = "application/merge-patch+json"
        case strategicMerge = "application/strategic-merge-patch+json"
        case json = "application/json-patch+json"
    }

    public let connection: ClusterConnection
    private let transport: KubeTransport
    private let options: Options

    /// - Parameter userAgent: what the server writes into its logs of us.
    public init(
        _ connection: ClusterConnection, userAgent: String = "vk-adapter", options: Options = Options(),
        group: any EventLoopGroup, logger: Logger
    ) {
        self.connection = connection
        self.options = options
        transport = KubeTransport(
            connection, userAgent: userAgent, onCall: options.onCall, group: group, logger: logger)
    }

    /// Ends all connections and everything that waits on them; the next call makes new ones.
    public func reconnect() { transport.reconnect() }

    /// Ends everything. To be called once, before the client is let go.
    public func shutdown() async { await transport.shutdown() }

    /// Waits before a further try: so long, or until the API server, which was away, has answered somebody. It does not wait
    /// when that was after the failed try began.
    /// - Throws: `CancellationError`.
    public func pause(_ time: Duration, since began: ContinuousClock.Instant) async throws {
        try await transport.recovery.pause(time, since: began)
    }

    // MARK: Objects

    public func get<Object>(
        _ resource: APIResource<Object>, namespace: String? = nil, name: String
    ) async throws -> Object {
        try await object(.init(target: resource.path(namespace: namespace, name: name)))
    }

    /// One page of a list.
    public func list<Object>(
        _ resource: APIResource<Object>, namespace: String? = nil, _ selection: ListSelection = ListSelection()
    ) async throws -> ObjectList<Object> {
        let target = resource.path(namespace: namespace) + APIPath.query(selection.items)
        let (answer, request) = try await answer(.init(target: target))
        return try ObjectList(answer, asked: request)
    }

    /// Makes an object.
    public func create<Object>(
        _ object: Object, as resource: APIResource<Object>, namespace: String? = nil
    ) async throws -> Object {
        try await self.object(
            .init(method: .POST, target: resource.path(namespace: namespace), body: object.encodedAlways().jsonBytes()))
    }

    /// Makes a subresource of an object, as a service account's `token`.
    public func create<Owner, Body: KubeModel>(
        _ body: Body, as subresource: String, of resource: APIResource<Owner>, namespace: String? = nil, name: String
    ) async throws -> Body {
        let target = resource.path(namespace: namespace, name: name, subresource: subresource)
        return try await model(.init(method: .POST, target: target, body: body.encodedAlways().jsonBytes()))
    }

    /// Puts an object in the place of the one it was read from: refused as a conflict when that has changed meanwhile.
    public func replace<Object>(
        _ object: Object, as resource: APIResource<Object>, namespace: String? = nil, subresource: String? = nil
    ) async throws -> Object {
        let target = resource.path(namespace: namespace, name: object.metadata.name, subresource: subresource)
        return try await self.object(.init(method: .PUT, target: target, body: object.encodedAlways().jsonBytes()))
    }

    public func patch<Object>(
        _ resource: APIResource<Object>, namespace: String? = nil, name: String, subresource: String? = nil,
        kind: PatchKind = .strategicMerge, _ patch: Value
    ) async throws -> Object {
        let target = resource.path(namespace: namespace, name: name, subresource: subresource)
        return try await object(
            .init(method: .PATCH, target: target, body: patch.jsonBytes(), contentType: kind.rawValue))
    }

    /// - Parameters:
    ///   - grace: seconds; `nil` leaves it to the object.
    ///   - uid: only the object that has it: another one of the same name is a conflict.
    public func delete<Object>(
        _ resource: APIResource<Object>, namespace: String? = nil, name: String, grace: Int64? = nil, uid: String? = nil
    ) async throws {
        var members = [
            Member("kind", Value(.string("DeleteOptions"))), Member("apiVersion", Value(.string("v1"))),
        ]
        if let grace { members.append(Member("gracePeriodSeconds", Value(.int(grace)))) }
        if let uid {
            members.append(Member("preconditions", Value(.object([Member("uid", Value(.string(uid)))]))))
        }
        let body = Value(.object(members)).jsonBytes()
        _ = try await answer(
            .init(method: .DELETE, target: resource.path(namespace: namespace, name: name), body: body))
    }

    // MARK: Requests

    private func object<Object: KubeObject>(_ request: KubeTransport.Request) async throws -> Object {
        try await model(request)
    }

    private func model<Model: KubeModel>(_ request: KubeTransport.Request) async throws -> Model {
        let (value, _) = try await answer(request)
        do throws(DecodingIssue) {
            return try Model(value)
        } catch {
            throw KubeAPIError(.failed, "cannot read the answer to \(request.method) \(request.target): \(error)")
        }
    }

    /// The whole answer, once it is no "ask again later".
    private func answer(_ request: KubeTransport.Request) async throws -> (Value, String) {
        var retries = options.retries
        while true {
            do {
                return (try await once(request), "\(request.method) \(request.target)")
            } catch let error as KubeAPIError {
                guard let delay = error.retryAfter, retries > 0 else { throw error }
                retries -= 1
                try await Task.sleep(for: min(max(delay, .milliseconds(100)), options.maximumDelay))
            }
        }
    }

    private func once(_ request: KubeTransport.Request) async throws -> Value {
        let overdue = KubeAPIError(
            .unavailable, "the API server did not answer \(request.method) \(request.target) within \(options.timeout)")
        let (status, headers, body) = try await withDeadline(options.timeout, or: overdue) { [transport, options] in
            let response = try await transport.send(request, timeout: options.timeout)
            let body: ByteBuffer
            do {
                body = try await response.body.collect(upTo: Self.maximumBody)
            } catch {
                throw Self.cut(request, error)
            }
            return (response.status, response.headers, Array(buffer: body))
        }
        guard (200..<300).contains(status.code) else {
            throw Self.refusal(request, status: Int32(status.code), headers: headers, body: body)
        }
        return try Documents.json(body)
    }

    /// Bytes of one answer.
    private static let maximumBody = 256 << 20

    static func cut(_ request: KubeTransport.Request, _ error: any Error) -> any Error {
        if error is CancellationError { return error }
        return KubeAPIError(.unavailable, "the answer to \(request.method) \(request.target) was cut off", cause: error)
    }

    static func refusal(
        _ request: KubeTransport.Request, status code: Int32, headers: HTTPHeaders, body: [UInt8]
    ) -> KubeAPIError {
        let value = try? JSONReader.read(body)
        let isStatus = value?["kind"]?.string == "Status"
        var status = Status.failure(
            code: code, reason: "", message: String(decoding: body.prefix(1000), as: UTF8.self))
        if isStatus, let value, let read = try? Status(value) { status = read }
        status.code = code
        var error = KubeAPIError(
            .refused, "the API server refused \(request.method) \(request.target): \(code) \(status.message)")
        error.status = status
        if code == 429 || code >= 500, let seconds = headers.first(name: "Retry-After").flatMap({ Int64($0) }) {
            error.retryAfter = .seconds(max(0, seconds))
        }
        return error
    }

    /// Runs the body with what a watch says.
    func watch(_ target: String, _ body: (HTTPClientResponse.Body) async throws -> Void) async throws {
        try await transport.withLane { lane in try await body(try await open(target, on: lane)) }
    }

    private func open(_ target: String, on lane: HTTPClient) async throws -> HTTPClientResponse.Body {
        let request = KubeTransport.Request(target: target)
        let response = try await transport.send(request, on: lane, timeout: options.timeout)
        guard response.status == .ok else {
            let overdue = KubeAPIError(.unavailable, "the API server did not end its answer to GET \(target)")
            let body = try await withDeadline(options.timeout, or: overdue) {
                do {
                    return Array(buffer: try await response.body.collect(upTo: 1 << 20))
                } catch {
                    throw Self.cut(request, error)
                }
            }
            throw Self.refusal(
                request, status: Int32(response.status.code), headers: response.headers, body: body)
        }
        return response.body
    }
}
