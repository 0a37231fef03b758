import HTTP
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import Sockets
import TLS

/// What a kubelet serves to API servers and people: pods, logs and streams. Every request says who it is from.
struct KubeletAPI: Sendable {
    let store: PodStore
    let provider: any Provider
    let logs: any LogHost
    let mapping: MappingContext
    let authenticators: [any Authenticator]
    let authorizer: any Authorizer
    /// For streaming URLs of a runtime that wants TLS.
    var streamingTLS: TLSContext?
    /// Where a streaming URL leads that names no host.
    var streamingHost = "127.0.0.1"
    let group: any EventLoopGroup
    var now: @Sendable () -> Timestamp = { Timestamp.now() }
    /// What is served of the node besides its pods; `nil` serves none of it.
    var node: KubeletNode?
    let logger: Logger

    func handle(_ request: HTTPRequest) async throws -> HTTPResponse {
        let route = Route(request.path)
        guard let metrics = node?.metrics else { return try await answer(request, route) }
        let start = ContinuousClock.now
        let method = Self.methodName(request.method)
        let long = route.isLong ? "true" : "false"
        metrics.count(
            AdapterMetrics.requests,
            ["long_running": long, "method": method, "path": route.name, "server_type": "readwrite"])
        defer {
            metrics.observe(
                AdapterMetrics.requestDuration,
                ["long_running": long, "method": method, "path": route.name, "server_type": "readwrite"],
                start.duration(to: .now))
        }
        return try await answer(request, route)
    }

    /// A client may send any word as its method: what counts is kept few.
    private static func methodName(_ method: HTTPMethod) -> String {
        switch method {
        case .GET, .HEAD, .POST, .PUT, .PATCH, .DELETE: method.rawValue
        default: "other"
        }
    }

    private func answer(_ request: HTTPRequest, _ route: Route) async throws -> HTTPResponse {
        var requester: Requester?
        for authenticator in authenticators where requester == nil {
            do {
                requester = try await authenticator.requester(request)
            } catch {
                logger.error("a request to the kubelet API cannot be authenticated: \(error)")
            }
        }
        guard let requester = requester?.authenticated else { return text(.unauthorized, "Unauthorized") }
        let verb = Self.verb(request.method)
        let subresources = Route.subresources(of: request.path)
        let wanted =
            "(user=\(requester.name), verb=\(verb), resource=nodes, subresource(s)=["
            + "\(subresources.joined(separator: " "))])"
        do {
            guard try await authorizer.allows(requester, verb: verb, subresources: subresources) else {
                return text(.forbidden, "Forbidden \(wanted)")
            }
        } catch {
            logger.error("a request to the kubelet API cannot be authorized \(wanted): \(error)")
            return text(.internalServerError, "Authorization error \(wanted)")
        }
        guard route.methods.contains(request.method) else {
            return route.methods.isEmpty
                ? text(.notFound, "404 page not found") : text(.methodNotAllowed, "405: Method Not Allowed")
        }
        do {
            return try await answer(route, request)
        } catch let refusal as Refusal {
            return text(refusal.status, refusal.text)
        }
    }

    /// A request that gets no more than a text.
    struct Refusal: Error {
        var status: HTTPResponseStatus
        var text: String
    }

    private func answer(_ route: Route, _ request: HTTPRequest) async throws -> HTTPResponse {
        switch route {
        case .healthz: return text(.ok, "ok")
        case .pods: return json(PodList(items: store.all))
        case .runningPods: return json(PodList(items: store.all.compactMap(Self.running)))
        case .containerLogs(let namespace, let pod, let container):
            return try await containerLogs(namespace, pod, container, request)
        case .exec(let namespace, let pod, let uid, let container):
            return try await exec(namespace, pod, uid, container, request)
        case .attach(let namespace, let pod, let uid, let container):
            return try await attach(namespace, pod, uid, container, request)
        case .portForward(let namespace, let pod, let uid): return try await portForward(namespace, pod, uid, request)
        case .run, .checkpoint, .statsSummary, .metrics, .resourceMetrics, .containerMetrics, .probeMetrics, .configz,
            .nodeLogs:
            guard let node else { return text(.notFound, "404 page not found") }
            return try await answer(route, request, of: node)
        case .unknown: return text(.notFound, "404 page not found")
        }
    }

    /// The pod with what of it runs now; `nil` when nothing does.
    private static func running(_ pod: Pod) -> Pod? {
        let names = Set(
            pod.status.allContainerStatuses
                .filter { $0.state.running != nil }.map(\.name))
        guard !names.isEmpty else { return nil }
        var running = Pod()
        running.metadata.name = pod.metadata.name
        running.metadata.namespace = pod.metadata.namespace
        running.metadata.uid = pod.metadata.uid
        running.spec.containers = pod.spec.allContainers.filter { names.contains($0.name) }
            .map { container in
                Container {
                    $0.name = container.name
                    $0.image = container.image
                }
            }
        return running
    }

    /// - Throws: 404 in the kubelet's words.
    func pod(_ namespace: String, _ name: String, _ uid: String? = nil, _ words: String = "pod does not exist")
        throws -> Pod
    {
        guard let pod = store.pod(namespace: namespace, name: name), uid == nil || uid == pod.metadata.uid else {
            throw Refusal(status: .notFound, text: words)
        }
        return pod
    }

    func text(_ status: HTTPResponseStatus, _ text: String) -> HTTPResponse { HTTPResponse(status, text: text) }

    private func json(_ list: PodList) -> HTTPResponse {
        HTTPResponse(
            .ok, headers: ["content-type": "application/json"],
            body: .bytes(ByteBuffer(bytes: list.encodedAlways().jsonBytes())))
    }

    private static func verb(_ method: HTTPMethod) -> String {
        switch method {
        case .POST: "create"
        case .PUT: "update"
        case .PATCH: "patch"
        case .DELETE: "delete"
        default: "get"
        }
    }
}
