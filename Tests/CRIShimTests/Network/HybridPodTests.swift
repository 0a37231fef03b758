import Docker
import Foundation
import Logging
import NIOCore
import NIOPosix
import Processes
import Proto
import Streaming
import Support
import Synchronization
import Testing
import Waiting

@testable import CRIShim

/// Containers of a real engine in a network that the shim made.
@Suite(
    .serialized, .enabled(if: NetworkHarness.isPossible, NetworkHarness.skipReason),
    .enabled(if: TestEngine.isPossible, DockerEngine.skipReason))
struct HybridPodTests {
    /// A Docker runtime without a shim around it, over a network of the harness.
    private struct Pod: Sendable {
        let docker: DockerRuntime
        let networks: NamespacedNetworks
        let record: SandboxRecord
        let network: PodNetwork

        func add(_ script: String, name: String = "main") async throws -> ContainerEntry {
            let id = try await docker.createContainer(
                ContainerCreation(
                    sandbox: try docker.store.sandbox(record.id),
                    config: .init {
                        $0.metadata = .init { $0.name = name }
                        $0.image = .init { $0.image = DockerEngine.image }
                        $0.command = ["/bin/sh", "-c", script]
                    }, logPath: ""))
            try await docker.startContainer(try docker.store.container(id))
            return try docker.store.container(id)
        }

        func shell(_ container: ContainerEntry, _ command: String) async throws -> String {
            let outcome = try await docker.execSync(container, command: ["/bin/sh", "-c", command], timeout: 20)
            return String(decoding: outcome.stdout + outcome.stderr, as: UTF8.self)
        }

        func start() async throws -> SandboxEntry {
            let holder = try await docker.startSandbox(record, network: network)
            try docker.store.put(
                SandboxEntry(record: record, holder: holder.id, holderRuns: true, addresses: holder.addresses))
            return try docker.store.sandbox(record.id)
        }

        /// Which network namespace a process is in.
        func namespace(ofProcess id: Int) throws -> UInt64 { try Self.inode("/proc/\(id)/ns/net") }
        func namespace() throws -> UInt64 { try Self.inode(network.namespace!) }

        private static func inode(_ path: String) throws -> UInt64 {
            var facts = stat()
            try #require(stat(path, &facts) == 0, "\(path)")
            return UInt64(facts.st_ino)
        }
    }

    private func withPod(
        _ change: (inout SandboxRecord) -> Void = { _ in }, _ body: @Sendable (Pod) async throws -> Void
    ) async throws {
        let engine = try await TestEngine.shared()
        let record = NetworkHarness.sandbox(change)
        try await NetworkHarness.with { harness in
            let networks = try harness.networks()
            let root = try RootDirectory(path: harness.directory + "/docker")
            var logger = Logger(label: "docker")
            logger.logLevel = .warning
            let client = DockerClient(
                endpoint: engine.endpoint, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
            var record = record
            record.runtime = "docker"
            record.phase = .ready
            try await root.save(record)
            let store = StateStore()
            try store.put(SandboxEntry(record: record))
            let docker = DockerRuntime(
                client: client, store: store, root: root, info: RuntimeInfo(version: "test"), pauseImage: nil,
                isLocal: true, logger: logger)
            let running = Task { await docker.run() }
            _ = await docker.settled.wait(atMost: .seconds(20))
            func end() async throws {
                let entry = try store.sandbox(record.id)
                for container in store.containers(inSandbox: record.id) { try await docker.removeContainer(container) }
                try await docker.stopSandbox(entry)
                try await docker.removeSandbox(entry)
                running.cancel()
                await running.value
                let left = try await client.listContainers(all: true, labels: ["io.vzcri.instance=\(root.instance)"])
                #expect(left.map(\.id) == [])
                await client.close()
                try await networks.tearDown(sandbox: record.id)
                try await harness.expectNothingLeft()
            }
            do {
                let network = try await networks.setUp(record)
                try await body(Pod(docker: docker, networks: networks, record: record, network: network))
            } catch {
                try await end()
                throw error
            }
            try await end()
        }
    }

    @Test func `containers are in the pod's namespace, with its names and nothing more allowed`() async throws {
        try await withPod({
            $0.hostname = "web-0"
            $0.dns = .init(servers: ["10.9.9.9"], searches: ["example.test"], options: ["ndots:3"])
            $0.security.runAsUser = 4321
            $0.security.runAsGroup = 1234
        }) { pod in
            let sandbox = try await pod.start()
            #expect(sandbox.addresses == pod.network.addresses)
            let container = try await pod.add("exec sleep 1000")
            #expect(try pod.namespace(ofProcess: container.processID) == pod.namespace())
            let address = pod.network.addresses[0]
            #expect(try await pod.shell(container, "hostname") == "web-0\n")
            #expect(try await pod.shell(container, "ip -4 -o addr show eth0").contains(address))
            let hosts = try await pod.shell(container, "cat /etc/hosts").split(separator: "\n").map {
                $0.split(whereSeparator: \.isWhitespace)
            }
            #expect(hosts.contains(["127.0.0.1", "vm"]))
            #expect(hosts.contains { $0.first == address[...] && $0.contains("web-0") })
            #expect(hosts.contains { $0.first == "127.0.0.1" && $0.contains("localhost") })
            let resolver = try await pod.shell(container, "cat /etc/resolv.conf")
            #expect(resolver.contains("nameserver 10.9.9.9"))
            #expect(resolver.contains("search example.test"))
            #expect(resolver.contains("options ndots:3"))

            // The pause program: in the namespace, the pod's user, without a capability.
            let pause = try await pod.docker.client.inspectContainer(try #require(sandbox.holder))
            #expect(try pod.namespace(ofProcess: pause.state.pid) == pod.namespace())
            let status = try String(contentsOfFile: "/proc/\(pause.state.pid)/status", encoding: .utf8).split(
                separator: "\n"
            ).map { $0.split(whereSeparator: \.isWhitespace) }
            #expect(status.contains(["Uid:", "4321", "4321", "4321", "4321"]))
            #expect(status.contains(["Gid:", "1234", "1234", "1234", "1234"]))
            for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
                #expect(status.contains([set[...], "0000000000000000"]))
            }
            // The pod's containers get nothing of what the pause program was given.
            let capabilities = try await pod.shell(container, "grep CapBnd /proc/self/status")
            #expect(capabilities.contains("00000000a80425fb"), "\(capabilities)")
        }
    }

    @Test func `servers of containers are reached at the pod's address, its loopback and by port-forward`() async throws
    {
        try await withPod { pod in
            let sandbox = try await pod.start()
            let container = try await pod.add("while true; do echo hello | nc -l -p 7000; done")
            let address = pod.network.addresses[0]
            try await eventually("the server answers") {
                (try? await Peer.greeting(from: address, 7000, in: nil)) == "hello\n"
            }
            // A virtual machine's supervisor listens in the namespace; containers find it at `vm`.
            let supervisor = try await GreetingServer(in: pod.network.namespace, address: "127.0.0.1")
            #expect(try await pod.shell(container, "nc vm \(supervisor.port)") == "127.0.0.1")
            let text = try await forwarded(sandbox, supervisor.port, by: pod.docker)
            #expect(text == "127.0.0.1")
        }
    }

    @Test func `a dead pause container is made again, with the same network`() async throws {
        try await withPod { pod in
            let before = try await pod.start()
            let container = try await pod.add("exec sleep 1000")
            // A server of the pod that is no container goes on, as a virtual machine does.
            let server = try await GreetingServer(in: pod.network.namespace)
            try await pod.docker.client.killContainer(try #require(before.holder), signal: "SIGKILL")
            try await eventually("the sandbox's holder is seen to be dead") {
                try pod.docker.store.sandbox(pod.record.id).holderRuns == false
            }
            let holder = try await pod.docker.restoreHolder(
                try pod.docker.store.sandbox(pod.record.id), network: pod.network)
            let after = try pod.docker.store.sandbox(pod.record.id)
            #expect(after.holder == holder.id && after.holder != before.holder)
            #expect(after.isReady)
            #expect(after.addresses == before.addresses)
            #expect(try pod.docker.store.container(container.id).phase == .exited)
            let next = try await pod.add("exec sleep 1000", name: "next")
            #expect(try pod.namespace(ofProcess: next.processID) == pod.namespace())
            #expect(!(try await Peer.greeting(from: pod.network.addresses[0], server.port, in: nil)).isEmpty)
        }
    }

    @Test func `a namespace that is gone is a clear error and leaves no container`() async throws {
        try await withPod { pod in
            try NetworkNamespace.remove(pod.network.namespace!)
            try Data().write(to: URL(filePath: pod.network.namespace!))
            await #expect { try await pod.docker.startSandbox(pod.record, network: pod.network) } throws: {
                "\($0)".contains("did not enter the pod's network namespace: cannot enter")
            }
            let left = try await pod.docker.client.listContainers(
                all: true, labels: ["io.vzcri.sandbox=\(pod.record.id)"])
            #expect(left.isEmpty)
        }
    }

    /// What a port of the pod sends to a caller who says nothing.
    private func forwarded(_ sandbox: SandboxEntry, _ port: Int, by docker: DockerRuntime) async throws -> String {
        let received = Mutex<[UInt8]>([])
        let inbound = ByteStream()
        inbound.finish()
        let connection = PortConnection(
            inbound: inbound, write: { bytes in received.withLock { $0 += bytes.readableBytesView } }, closeOutput: {})
        try await docker.forward(sandbox, port: port, connection: connection)
        return received.withLock { String(decoding: $0, as: UTF8.self) }
    }
}
