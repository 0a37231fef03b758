import HTTP
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import Proto
import Streaming

extension KubeletAPI {
    func exec(_ namespace: String, _ name: String, _ uid: String?, _ container: String, _ request: HTTPRequest)
        async throws -> HTTPResponse
    {
        let streams = try Streams(request)
        let id = try await runningContainer(try pod(namespace, name, uid), container)
        return try await command(request, streams.options) {
            try await provider.execURL(
                .init {
                    $0.containerId = id
                    $0.cmd = request.queryValues("command")
                    $0.stdin = streams.stdin
                    $0.stdout = streams.stdout
                    $0.stderr = streams.stderr
                    $0.tty = streams.tty
                })
        }
    }

    func attach(_ namespace: String, _ name: String, _ uid: String?, _ container: String, _ request: HTTPRequest)
        async throws -> HTTPResponse
    {
        let streams = try Streams(request)
        let pod = try pod(namespace, name, uid)
        let id = try await runningContainer(pod, container)
        let tty = pod.spec.allContainers.first { $0.name == container }?.tty ?? false
        let options = RemoteCommandOptions(
            stdin: streams.stdin, stdout: streams.stdout, stderr: streams.stderr && !tty, tty: tty)
        return try await command(request, options) {
            try await provider.attachURL(
                .init {
                    $0.containerId = id
                    $0.stdin = streams.stdin
                    $0.stdout = streams.stdout
                    $0.stderr = streams.stderr && !tty
                    // Only the container knows whether it has a terminal.
                    $0.tty = tty
                })
        }
    }

    func portForward(_ namespace: String, _ name: String, _ uid: String?, _ request: HTTPRequest)
        async throws -> HTTPResponse
    {
        let pod = try pod(namespace, name, uid)
        let ports = try request.queryValues("port").flatMap { $0.split(separator: ",") }.map { text in
            guard let port = Int32(text), (1...65535).contains(port) else {
                throw Refusal(status: .badRequest, text: "unable to parse \"\(text)\" as a port")
            }
            return port
        }
        guard let sandbox = try await observe(pod).readySandbox else {
            throw Refusal(status: .internalServerError, text: "sandbox of pod \"\(name)\" is not running")
        }
        return try await forward(request, ports.map(Int.init)) {
            try await provider.portForwardURL(
                .init {
                    $0.podSandboxId = sandbox.id
                    $0.port = ports
                })
        }
    }

    /// What a remote command is connected to.
    struct Streams: Sendable, Hashable {
        var stdin: Bool
        var stdout: Bool
        var stderr: Bool
        var tty: Bool

        /// - Throws: 400 in the kubelet's words.
        init(_ request: HTTPRequest) throws {
            func flag(_ name: String) -> Bool { request.queryValue(name) == "1" || request.queryValue(name) == "true" }
            tty = flag("tty")
            stdin = flag("input") || flag("stdin")
            stdout = flag("output") || flag("stdout")
            stderr = (flag("error") || flag("stderr")) && !tty
            guard stdin || stdout || stderr else {
                throw Refusal(
                    status: .badRequest, text: "you must specify at least 1 of stdin, stdout, stderr")
            }
        }

        var options: RemoteCommandOptions {
            RemoteCommandOptions(stdin: stdin, stdout: stdout, stderr: stderr, tty: tty)
        }
    }

    private func observe(_ pod: Pod) async throws -> ObservedPod {
        do {
            return try await provider.observe(podUID: pod.metadata.uid)
        } catch {
            throw Refusal(status: .internalServerError, text: "\(error)")
        }
    }

    /// - Throws: 500 in the kubelet's words.
    func runningContainer(_ pod: Pod, _ name: String) async throws -> String {
        guard let run = try await observe(pod).containers.first(where: { $0.name == name && $0.isRunning }) else {
            throw Refusal(status: .internalServerError, text: "container not found (\"\(name)\")")
        }
        return run.id
    }

    // MARK: The relay

    /// Connects the client to where the runtime serves the streams; their bytes are nobody else's.
    func relay(_ request: HTTPRequest, _ locate: () async throws -> String) async throws -> HTTPResponse {
        guard let name = request.upgrade else {
            throw Refusal(status: .badRequest, text: "Upgrade request required")
        }
        let url = try await streamingURL(locate)
        var headers = HTTPHeaders([("host", url.authority)])
        for (name, value) in request.headers where !Self.ownHeaders.contains(name.lowercased()) {
            headers.add(name: name, value: value)
        }
        let (head, backend) = try await upgrade(request.method, url, headers, to: name)
        var answer = head.headers
        for name in ["connection", "upgrade", "content-length", "transfer-encoding"] { answer.remove(name: name) }
        return .upgrade(to: head.headers.first(name: "upgrade") ?? name, headers: answer) { connection in
            await RawConnection.relay(connection, backend)
        }
    }

    /// Switches a connection to the runtime to another protocol.
    func upgrade(
        _ method: HTTPMethod, _ url: RuntimeURL, _ headers: HTTPHeaders, to name: String
    ) async throws -> (head: HTTPResponseHead, connection: RawConnection) {
        let client = HTTPClient(endpoint: url.endpoint, tls: url.isTLS ? streamingTLS : nil, group: group)
        do {
            return try await client.upgrade(method, url.target, headers: headers, to: name, timeout: .seconds(30))
        } catch let error as HTTPUpgradeRefused {
            throw Refusal(status: error.status, text: error.text)
        } catch let error as HTTPError {
            logger.error("the runtime's streaming endpoint fails: \(error)")
            throw Refusal(status: .badGateway, text: "error dialing backend: \(error)")
        }
    }

    /// Where the runtime serves the streams.
    /// - Throws: what the client is told when the runtime refuses, or answers what cannot be used.
    func streamingURL(_ locate: () async throws -> String) async throws -> RuntimeURL {
        let text: String
        do {
            text = try await locate()
        } catch let error as AdapterError {
            let status: HTTPResponseStatus =
                switch error.code {
                case .notFound: .notFound
                case .invalidArgument: .badRequest
                case .unavailable: .serviceUnavailable
                default: .internalServerError
                }
            throw Refusal(status: status, text: "\(error)")
        }
        guard let url = RuntimeURL(text, defaultHost: streamingHost) else {
            throw Refusal(
                status: .internalServerError, text: "the runtime answered \"\(text)\", which is no streaming URL")
        }
        if url.isTLS, streamingTLS == nil {
            throw Refusal(
                status: .internalServerError,
                text: "the runtime serves its streams over TLS, but the adapter has no certificates for it: give it "
                    + "those of the runtime's TCP endpoint")
        }
        return url
    }

    /// Of this connection, or for this server's eyes only.
    private static let ownHeaders: Set = [
        "host", "connection", "upgrade", "authorization", "content-length", "transfer-encoding", "proxy-authorization",
        "keep-alive", "te", "trailer",
    ]
}
