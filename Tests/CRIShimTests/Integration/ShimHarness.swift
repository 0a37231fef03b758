import Logging
import NIOCore
import NIOPosix
import Proto
import RPC
import Sockets
import Support
import Testing

@testable import CRIShim

/// A shim over a real Docker Engine with a client of its own, gone when the body returns.
struct ShimHarness: Sendable {
    let shim: Shim
    let client: RPCClient
    let directory: String
    let configuration: ShimConfiguration

    /// Runs `body` against a shim that serves on a unix socket in a new directory, which is removed afterwards together
    /// with every sandbox.
    static func with(
        docker: Endpoint, directory given: String? = nil, keep: Bool = false,
        configure: (inout ShimConfiguration) -> Void = { _ in },
        _ body: @Sendable (ShimHarness) async throws -> Void
    ) async throws {
        let directory = given ?? "/tmp/vzcri-\(Identifiers.hex(8))"
        try RootDirectory.makeDirectory(directory, mode: 0o700)
        var configuration = ShimConfiguration(
            listen: [.unix(path: directory + "/cri.sock")], rootDirectory: directory + "/root", dockerEndpoint: docker)
        configure(&configuration)
        var logger = Logger(label: "shim")
        logger.logLevel = .warning
        let shim = try Shim(configuration, logger: logger)
        try await shim.start()
        let running = Task { try await shim.run() }
        let client = RPCClient(
            endpoint: configuration.listen[0], options: .init(), group: MultiThreadedEventLoopGroup.singleton,
            logger: logger)
        let harness = ShimHarness(shim: shim, client: client, directory: directory, configuration: configuration)
        do {
            try await body(harness)
            if !keep { try await harness.removeEverything() }
        } catch {
            do { try await harness.removeEverything() } catch { Issue.record("cleaning up failed: \(error)") }
            await client.close()
            running.cancel()
            _ = await running.result
            throw error
        }
        await client.close()
        running.cancel()
        _ = await running.result
        if !keep { try RootDirectory.removeTree(directory) }
    }

    func removeEverything() async throws {
        for sandbox in try await client.call(CRI.RuntimeService.listPodSandbox, .init(), timeout: .seconds(20)).items {
            let id = sandbox.id
            _ = try await client.call(
                CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = id }, timeout: .seconds(60))
        }
    }

    // MARK: Shorthands

    func call<Q, R>(_ method: UnaryMethod<Q, R>, _ change: (inout Q) -> Void = { _ in }) async throws -> R {
        var request = try Q(wireBytes: UnsafeRawBufferPointer(start: nil, count: 0))
        change(&request)
        return try await client.call(method, request, timeout: .seconds(60))
    }

    func sandboxConfig(_ name: String = "web", _ change: (inout CRI.PodSandboxConfig) -> Void = { _ in })
        -> CRI.PodSandboxConfig
    {
        .init {
            $0.metadata = .init {
                $0.name = name
                $0.namespace = "default"
                $0.uid = Identifiers.hex(8)
            }
            $0.hostname = name
            $0.logDirectory = directory + "/logs/" + name
            change(&$0)
        }
    }

    func runSandbox(_ config: CRI.PodSandboxConfig, handler: String = "") async throws -> String {
        try await call(CRI.RuntimeService.runPodSandbox) {
            $0.config = config
            $0.runtimeHandler = handler
        }.podSandboxId
    }

    /// Makes a container that runs a shell script.
    func create(
        _ name: String, in sandbox: String, _ config: CRI.PodSandboxConfig, image: String, script: String,
        _ change: (inout CRI.ContainerConfig) -> Void = { _ in }
    ) async throws -> String {
        try await call(CRI.RuntimeService.createContainer) {
            $0.podSandboxId = sandbox
            $0.sandboxConfig = config
            $0.config = .init {
                $0.metadata = .init { $0.name = name }
                $0.image = .init { $0.image = image }
                $0.command = ["/bin/sh", "-c", script]
                $0.logPath = name + ".log"
                change(&$0)
            }
        }.containerId
    }

    func start(_ container: String) async throws {
        _ = try await call(CRI.RuntimeService.startContainer) { $0.containerId = container }
    }

    func status(_ container: String) async throws -> CRI.ContainerStatus {
        try #require(try await call(CRI.RuntimeService.containerStatus) { $0.containerId = container }.status)
    }

    func sandboxStatus(_ id: String) async throws -> CRI.PodSandboxStatus {
        try #require(try await call(CRI.RuntimeService.podSandboxStatus) { $0.podSandboxId = id }.status)
    }

    /// Waits for a container to end, by the events of the CRI.
    func ended(_ container: String) async throws -> CRI.ContainerStatus {
        let events = try client.stream(CRI.RuntimeService.getContainerEvents, .init(), timeout: .seconds(60))
        let now = try await status(container)
        if now.state == .containerExited { return now }
        for try await event in events where event.containerId == container {
            if event.containerEventType == .containerStoppedEvent { break }
        }
        return try await status(container)
    }

    func exec(_ container: String, _ command: String...) async throws -> CRI.ExecSyncResponse {
        try await call(CRI.RuntimeService.execSync) {
            $0.containerId = container
            $0.cmd = command
        }
    }

    /// The log's lines without time stamps: `stdout F text`.
    func log(_ status: CRI.ContainerStatus) throws -> [String] {
        let bytes = try RootDirectory.read(status.logPath) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map { line in
            String(line.drop { $0 != " " }.dropFirst())
        }
    }
}
