import HTTP
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Proto
import Sockets
import Streaming
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct KubeletStreamTests {
    struct Known: Authenticator {
        func requester(_ request: HTTPRequest) -> Requester? { Requester(name: "tester") }
    }
    struct Denied: Authorizer {
        func allows(_ requester: Requester, verb: String, subresources: [String]) -> Bool { false }
    }

    let group = MultiThreadedEventLoopGroup.singleton
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// A node with a running pod, a runtime's streaming server, and the API without TLS and tokens.
    func serving(_ authorizer: any Authorizer = AllowAuthenticated(), _ body: (Node, String) async throws -> Void)
        async throws
    {
        let streaming = StreamingServer(logger: logger)
        let runtimeSide = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0)], drainTime: .zero, logger: logger, group: group
        ) { await streaming.handle($0) }
        let address = "\(try #require(try await runtimeSide.start().first))".replacing("tcp://", with: "http://")
        try await Node.with { node in
            node.runtime.edit { state in
                state.streamURL = { kind, tty in
                    let options = RemoteCommandOptions(stdin: true, stdout: true, stderr: !tty, tty: tty)
                    let request: StreamingRequest =
                        kind == "portforward"
                        ? .portForward(PortForward(backend: Self.echo))
                        : .exec(RemoteCommand(options: options, backend: Self.command))
                    let token = try streaming.register(request)
                    return "\(address)/\(kind == "portforward" ? kind : "exec")/\(token)"
                }
            }
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let provider = CRIProvider(client: adapter.daemon.client, nodeName: "n")
                let api = KubeletAPI(
                    store: adapter.store, provider: provider, logs: LocalLogHost(), mapping: MappingContext(),
                    authenticators: [Known()], authorizer: authorizer, group: group, logger: logger)
                let server = HTTPServer(
                    listeners: [.tcp(host: "127.0.0.1", port: 0)], drainTime: .zero, logger: logger, group: group
                ) { try await api.handle($0) }
                let endpoint = try #require(try await server.start().first)
                try await body(node, "\(endpoint)".replacing("tcp://", with: "http://"))
                await server.drain(within: .zero)
            }
        }
        await runtimeSide.drain(within: .zero)
    }

    /// Copies its input to its output and ends with 3.
    static let command: RemoteCommandBackend = { io in
        do {
            if let stdin = io.stdin { for try await bytes in stdin { try await io.stdout?.write(bytes) } }
            try await io.stderr?.write(ByteBuffer(string: "done"))
        } catch { return .failed(message: "\(error)") }
        return .exited(code: 3)
    }

    static let echo: PortForwardBackend = { port, connection in
        try await connection.write(ByteBuffer(string: "port \(port): "))
        for try await bytes in connection.inbound { try await connection.write(bytes) }
        try await connection.closeOutput()
    }

    func run(_ url: String) async throws -> (RemoteCommandResult, String, String) {
        let (output, errors) = (NIOLockedText(), NIOLockedText())
        let input = AsyncThrowingStream<ByteBuffer, any Error> { source in
            for index in 0..<100 { source.yield(ByteBuffer(string: "line \(index)\n")) }
            source.finish()
        }
        let result = try await RemoteCommandClient.run(
            url: url, options: RemoteCommandOptions(stdin: true, stdout: true, stderr: true, tty: false), stdin: input,
            stdout: OutputSink { output.append($0) }, stderr: OutputSink { errors.append($0) }, group: group,
            logger: logger)
        return (result, output.suffix(1 << 20), errors.suffix(1 << 20))
    }

    @Test("a command runs through the API: arguments in order, streams, exit code", arguments: ["exec", "attach"])
    func exec(kind: String) async throws {
        try await serving { node, base in
            let (result, output, errors) = try await run(
                "\(base)/\(kind)/default/web-n/web?command=sh&command=-c&command=exit%203&input=1&output=1&error=1")
            #expect(result == .exited(code: 3))
            #expect(output == (0..<100).map { "line \($0)\n" }.joined())
            #expect(errors == "done")
            if kind == "exec" {
                let request = try #require(node.runtime.edit { $0.execs.last })
                #expect(request.cmd == ["sh", "-c", "exit 3"])
                #expect(request.stdin && request.stdout && request.stderr && !request.tty)
                #expect(request.containerId == node.runtime.running("web")?.status.id)
            }
        }
    }

    @Test("ports of the pod are forwarded through the API")
    func portForward() async throws {
        try await serving { node, base in
            let session = try await PortForwardClient.connect(
                url: "\(base)/portForward/default/web-n", group: group, logger: logger)
            let connection = try await session.open(port: 8080)
            try await connection.write(ByteBuffer(string: "hello"))
            try await connection.closeOutput()
            var text = ""
            for try await bytes in connection.inbound { text += String(buffer: bytes) }
            #expect(text == "port 8080: hello")
            await session.close()
        }
    }

    @Test(
        "requests that cannot be served get the kubelet's words",
        arguments: [
            ("/exec/default/web-n/web?output=1", 400, "Upgrade request required"),
            ("/exec/default/web-n/web", 400, "you must specify at least 1 of stdin, stdout, stderr"),
            ("/exec/default/none/web?output=1", 404, "pod does not exist"),
            ("/exec/default/web-n/other-uid/web?output=1", 404, "pod does not exist"),
            ("/exec/default/web-n/none?output=1", 500, "container not found (\"none\")"),
            ("/portForward/default/none", 404, "pod does not exist"),
            ("/portForward/default/web-n?port=x", 400, "unable to parse \"x\" as a port"),
        ] as [(String, Int, String)])
    func refusals(target: String, status: Int, text: String) async throws {
        try await serving { _, base in
            let client = HTTPClient(
                endpoint: try Endpoint(parsing: base.replacing("http://", with: "tcp://")), group: group)
            let response = try await client.execute(.POST, target, timeout: .seconds(10))
            #expect(Int(response.status.code) == status)
            #expect(String(buffer: try await response.body.collect(upTo: 1000)) == text)
            await client.close()
        }
    }

    @Test("whoever may not gets 403 and the reason")
    func forbidden() async throws {
        try await serving(Denied()) { _, base in
            let client = HTTPClient(
                endpoint: try Endpoint(parsing: base.replacing("http://", with: "tcp://")), group: group)
            let response = try await client.execute(.GET, "/pods", timeout: .seconds(10))
            #expect(response.status == .forbidden)
            #expect(
                String(buffer: try await response.body.collect(upTo: 1000))
                    == "Forbidden (user=tester, verb=get, resource=nodes, subresource(s)=[pods proxy])")
            await client.close()
        }
    }
}
