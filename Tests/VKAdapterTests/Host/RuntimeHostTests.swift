import HostFiles
import KubeAPI
import Logging
import NIOPosix
import Proto
import RPC
import Sockets
import Support
import Testing

@testable import VKAdapter

/// Where the adapter finds the host its pods run on.
@Suite(.timeLimit(.minutes(2))) struct RuntimeHostTests {
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    private func ask(_ endpoint: Endpoint, patience: Duration = .seconds(30)) async throws -> RuntimeHost {
        let client = RPCClient(endpoint: endpoint, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
        let setup = DaemonSetup(
            configuration: AdapterConfiguration(runtime: endpoint, nodeName: "n", root: "/nowhere"), logger: logger)
        do {
            let host = try await setup.runtimeHost(client, patience: patience)
            await client.close()
            return host
        } catch {
            await client.close()
            throw error
        }
    }

    private func serve<R>(_ router: Router, _ body: (Endpoint) async throws -> R) async throws -> R {
        let server = RPCServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0)], router: router, logger: logger,
            group: MultiThreadedEventLoopGroup.singleton)
        let endpoint = try #require(try await server.start().first)
        do {
            let result = try await body(endpoint)
            await server.drain(within: .zero)
            return result
        } catch {
            await server.drain(within: .zero)
            throw error
        }
    }

    @Test("a runtime on another machine says what that machine is, and keeps files and logs there")
    func remote() async throws {
        var router = Router()
        router.handle(HostAPI.HostService.hostInfo) { _, _ in
            .now(
                .init {
                    $0.operatingSystem = "darwin"
                    $0.architecture = "arm64"
                    $0.kernelVersion = "25.0.0"
                    $0.cpuCount = 12
                    $0.memoryBytes = 64 << 30
                    $0.podLogDirectory = "/far/pods"
                    $0.resolvConf = Array("nameserver 192.0.2.99\nsearch far.example\n".utf8)
                })
        }
        let host = try await serve(router) { try await ask($0) }
        #expect(host.remote?.nodeName == "n")
        #expect(host.volumes(root: "/nowhere") is RemoteVolumeHost && host.logs is RemoteLogHost)
        var mapping = MappingContext()
        host.apply(to: &mapping)
        #expect(mapping.logRoot == "/far/pods" && mapping.allocatable["cpu"]?.value == 12)
        #expect(mapping.resolvConf == ResolvConf(parsing: "nameserver 192.0.2.99\nsearch far.example\n"))
        #expect(mapping.allocatable["memory"]?.value == 64 << 30)
        var node = NodeDescription(name: "n")
        host.apply(to: &node)
        #expect(node.info.operatingSystem == "darwin" && node.labels["kubernetes.io/os"] == "darwin")
        #expect(node.info.osImage == "darwin 25.0.0")
    }

    @Test("a foreign runtime on another machine is refused, with what to do")
    func foreign() async throws {
        try await serve(Router()) { endpoint async throws in
            let error = await #expect(throws: AdapterError.self) { try await ask(endpoint) }
            #expect(error?.code == .unimplemented)
            #expect(error?.message.contains("vzcri.v1.HostService") == true)
        }
    }

    @Test("a host that does not answer is waited for, and then given up")
    func away() async throws {
        let port = try LoopbackPort.take()
        let error = await #expect(throws: AdapterError.self) {
            try await ask(.tcp(host: "127.0.0.1", port: port), patience: .milliseconds(500))
        }
        #expect(error?.code == .unavailable)
    }

    @Test("behind a unix socket everything is on this host, whoever is there")
    func local() async throws {
        let host = try await ask(.unix(path: "/nowhere/cri.sock"))
        #expect(host.remote == nil && host.volumes(root: "/nowhere") is LocalVolumeHost && host.logs is LocalLogHost)
        #expect(host.facts == HostFacts.current())
    }
}
