import Foundation
import HTTP
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Proto
import RPC
import Sockets
import Streaming
import Support
import TLS
import Testing

@testable import VKAdapter

/// Probes over ports: the same by both ways to a pod.
@Suite(.timeLimit(.minutes(2))) struct HandlerTests {
    enum Way: String, CaseIterable, Sendable { case direct, forward }

    let group = MultiThreadedEventLoopGroup.singleton
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Whoever listens on this machine is what listens in the pod.
    func runner<R: Sendable>(_ way: Way, _ body: (HandlerRunner) async throws -> R) async throws -> R {
        let tls = try TLSContext.client(TLSClientConfiguration(verification: .none))
        return try await withTemporaryDirectory { directory in
            let runtime = FakeRuntime()
            let streaming = StreamingServer(logger: logger)
            let streams = HTTPServer(
                listeners: [.tcp(host: "127.0.0.1", port: 0)], drainTime: .zero, logger: logger, group: group
            ) { await streaming.handle($0) }
            let base = "\(try #require(try await streams.start().first))".replacing("tcp://", with: "http://")
            let backend = Self.loopback(group)
            runtime.edit { state in
                state.streamURL = { kind, _ in
                    "\(base)/\(kind)/\(try streaming.register(.portForward(PortForward(backend: backend))))"
                }
            }
            let result = try await runtime.serve("\(directory)/cri.sock") { endpoint in
                let client = RPCClient(endpoint: endpoint, group: group, logger: logger)
                let provider = CRIProvider(client: client, nodeName: "n")
                let dialer: any PodDialer =
                    way == .direct
                    ? DirectDialer(group: group)
                    : ForwardingDialer(provider: provider, directory: directory, group: group, logger: logger)
                let result = try await body(
                    HandlerRunner(provider: provider, dialer: dialer, tls: tls, group: group, logger: logger))
                await client.close()
                let sockets = try FileManager.default.contentsOfDirectory(atPath: directory)
                    .filter { $0.hasSuffix(".sock") && $0 != "cri.sock" }
                #expect(sockets.isEmpty, "the dialer leaves nothing behind")
                return result
            }
            await streams.drain(within: .zero)
            return result
        }
    }

    /// Connects to a port of this machine, as a runtime connects to one of a pod.
    static func loopback(_ group: any EventLoopGroup) -> PortForwardBackend {
        { port, connection in
            let channel = try await ClientBootstrap(group: group)
                .connect(host: "127.0.0.1", port: port) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                            wrappingChannelSynchronously: channel,
                            configuration: .init(isOutboundHalfClosureEnabled: true))
                    }
                }
            try await channel.executeThenClose { inbound, outbound in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask {
                        for try await bytes in connection.inbound { try await outbound.write(bytes) }
                        outbound.finish()
                    }
                    tasks.addTask {
                        for try await bytes in inbound { try await connection.write(bytes) }
                        try await connection.closeOutput()
                    }
                    try await tasks.waitForAll()
                }
            }
        }
    }

    func target(_ port: Int = 0) -> HandlerTarget {
        let container = Sample.container("web") {
            $0.ports = [
                ContainerPort {
                    $0.name = "http"
                    $0.containerPort = Int32(port)
                }
            ]
        }
        return HandlerTarget(
            pod: Sample.pod(), container: container, containerID: "x",
            address: PodAddress(ip: "127.0.0.1", sandboxID: "s"))
    }

    /// An HTTP server that answers what it is told to, and what it was asked.
    func serving<R: Sendable>(
        _ answer: @escaping @Sendable (HTTPRequest) throws -> HTTPResponse, tls: TLSContext? = nil,
        _ body: (Int) async throws -> R
    ) async throws -> R {
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0, tls: tls)], drainTime: .zero, logger: logger, group: group
        ) { try answer($0) }
        guard case .tcp(_, let port)? = try await server.start().first else { throw AdapterError(.failed, "no port") }
        let result = try await body(port)
        await server.drain(within: .zero)
        return result
    }

    func outcome(_ runner: HandlerRunner, _ probe: Probe, _ target: HandlerTarget, _ timeout: Duration = .seconds(30))
        async -> ProbeState.Outcome
    {
        await runner.probe(probe, target, timeout: timeout)
    }

    static func get(_ configure: (inout HTTPGetAction) -> Void = { _ in }) -> Probe {
        var probe = Probe {
            $0.httpGet = HTTPGetAction {
                $0.port = .string("http")
                $0.path = "/healthz?full=1"
                configure(&$0)
            }
        }
        probe.applyDefaults()
        return probe
    }

    @Test(
        "an HTTP probe takes 200 to 399, sends the headers it is given, and follows a redirect", arguments: Way.allCases
    )
    func http(way: Way) async throws {
        try await runner(way) { runner in
            let seen = NIOLockedValueBox<[String]>([])
            try await serving({ request in
                seen.withLockedValue {
                    $0.append(
                        "\(request.path) host=\(request.headers.first(name: "host") ?? "") "
                            + "agent=\(request.headers.first(name: "user-agent") ?? "") x=\(request.headers["x"])")
                }
                if request.path == "/moved" {
                    return HTTPResponse(.found, headers: ["location": "/healthz"])
                }
                return HTTPResponse(request.path == "/bad" ? .internalServerError : .ok)
            }) { port in
                let target = target(port)
                #expect(await outcome(runner, Self.get(), target) == .success)
                #expect(seen.withLockedValue { $0.last?.contains("host=127.0.0.1:\(port)") } == true)
                #expect(seen.withLockedValue { $0.last?.contains("agent=kube-probe/1.36") } == true)
                #expect(
                    await outcome(runner, Self.get { $0.path = "bad" }, target)
                        == .failure("HTTP probe failed with statuscode: 500"))
                #expect(await outcome(runner, Self.get { $0.path = "/moved" }, target) == .success)
                let own = Self.get {
                    $0.httpHeaders = [("Host", "example.org"), ("X", "1"), ("X", "2"), ("User-Agent", "me")].map {
                        one in
                        HTTPHeader {
                            $0.name = one.0
                            $0.value = one.1
                        }
                    }
                }
                #expect(await outcome(runner, own, target) == .success)
                #expect(
                    seen.withLockedValue { $0.last } == "/healthz host=example.org agent=me x=[\"1\", \"2\"]")
            }
        }
    }

    @Test("an HTTPS probe checks nobody's certificate", arguments: Way.allCases)
    func https(way: Way) async throws {
        try await withTemporaryDirectory { directory in
            let files = try SelfSignedCertificate.make(names: ["other"], directory: directory, name: "x")
            let tls = try TLSContext.server(
                TLSServerConfiguration(certificateFile: files.certificateFile, keyFile: files.keyFile))
            try await runner(way) { runner in
                try await serving({ _ in HTTPResponse(.ok) }, tls: tls) { port in
                    let probe = Self.get {
                        $0.scheme = "HTTPS"
                        $0.port = .int(Int32(port))
                    }
                    #expect(await outcome(runner, probe, target()) == .success)
                }
            }
        }
    }

    @Test(
        "a port nobody listens on fails every probe, and a name that no port has cannot be asked",
        arguments: Way.allCases)
    func refused(way: Way) async throws {
        try await runner(way) { runner in
            let port = try LoopbackPort.take()
            let tcp = Probe { $0.tcpSocket = TCPSocketAction { $0.port = .int(Int32(port)) } }
            let grpc = Probe { $0.grpc = GRPCAction { $0.port = Int32(port) } }
            for probe in [Self.get { $0.port = .int(Int32(port)) }, tcp, grpc] {
                guard case .failure(let text) = await outcome(runner, probe, target()) else {
                    Issue.record("not a failure: \(probe)")
                    continue
                }
                #expect(text.contains("\(port)"))
                if way == .direct { #expect(text.contains("refused"), "\(text)") }
            }
            guard case .unknown = await outcome(runner, Self.get { $0.port = .string("nope") }, target(80)) else {
                Issue.record("a name without a port")
                return
            }
        }
    }

    @Test(
        "a TCP probe succeeds where somebody takes the connection, whether he hangs up or not", arguments: Way.allCases)
    func tcp(way: Way) async throws {
        try await runner(way) { runner in
            try await serving({ _ in HTTPResponse(.ok) }) { port in
                let probe = Probe { $0.tcpSocket = TCPSocketAction { $0.port = .int(Int32(port)) } }
                #expect(await outcome(runner, probe, target(), .seconds(1)) == .success)
            }
        }
    }

    @Test("a gRPC probe asks for the health of a service", arguments: Way.allCases)
    func grpc(way: Way) async throws {
        try await runner(way) { runner in
            let server = RPCServer(
                listeners: [.tcp(host: "127.0.0.1", port: 0)], router: Router(), logger: logger, group: group)
            guard case .tcp(_, let port)? = try await server.start().first else { return }
            func ask(_ service: String) async -> ProbeState.Outcome {
                let probe = Probe {
                    $0.grpc = GRPCAction {
                        $0.port = Int32(port)
                        $0.service = service
                    }
                }
                return await outcome(runner, probe, target())
            }
            #expect(await ask("") == .success)
            guard case .failure(let text) = await ask("db") else {
                Issue.record("a service nobody knows is well")
                return
            }
            #expect(text.contains("health rpc probe failed"))
            await server.drain(within: .zero)
        }
    }

    @Test(
        "what a service says of its health is read, whatever else is in it",
        arguments: [
            ([], "UNKNOWN"), ([8, 1], "SERVING"), ([8, 2], "NOT_SERVING"), ([8, 3], "SERVICE_UNKNOWN"),
            ([18, 2, 8, 2, 8, 1], "SERVING"), ([8], nil), ([18, 200, 1], nil), ([255, 255], nil),
            ([8, 0x81, 0], "SERVING"),
        ] as [([UInt8], String?)])
    func healthBytes(bytes: [UInt8], name: String?) {
        let response = bytes.withUnsafeBytes { try? HealthCall.Response(wireBytes: $0) }
        #expect(response?.name == name)
    }

    @Test("a server that says nothing fails the probe when its time is over")
    func silence() async throws {
        try await runner(.direct) { runner in
            let server = try await ServerBootstrap(group: group).bind(host: "127.0.0.1", port: 0).get()
            let port = Int32(server.localAddress?.port ?? 0)
            let outcome = await outcome(runner, Self.get { $0.port = .int(port) }, target(), .milliseconds(200))
            #expect(
                outcome
                    == .failure(
                        "Get \"http://127.0.0.1:\(port)/healthz?full=1\": context deadline exceeded "
                            + "(Client.Timeout exceeded while awaiting headers)"))
            try await server.close()
        }
    }

    @Test(
        "a path becomes a target a request can carry",
        arguments: [
            ("", "/"), ("x", "/x"), ("/a b", "/a%20b"), ("/a#b", "/a"), ("/\u{0}\r\nX: 1", "/%00%0D%0AX:%201"),
            ("/ü?q=1", "/%C3%BC?q=1"),
        ])
    func targets(_ one: (String, String)) { #expect(HandlerRunner.encoded(one.0) == one.1) }
}
