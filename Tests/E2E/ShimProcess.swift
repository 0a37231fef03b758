import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Proto
import RPC
import Sockets
import Support
import Testing

/// A `cri-shim serve` of its own, that can be killed and started again, and a client of it.
final class ShimProcess: Sendable {
    let directory: String
    let socket: String
    let client: RPCClient
    private let docker: String
    /// Where the programs are that it runs; those beside the tests when nil.
    let programs: String?
    private let process = NIOLockedValueBox<ChildProcess?>(nil)

    init(_ directory: String, docker: String, programs: String? = nil) {
        self.programs = programs
        self.directory = directory
        self.docker = docker
        socket = directory + "/run/cri.sock"
        client = RPCClient(
            endpoint: .unix(path: socket), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "e2e"))
    }

    /// Runs `body` with a shim that serves; afterwards every pod is removed and the directory is gone.
    static func with(_ body: (ShimProcess) async throws -> Void) async throws {
        try await DockerEngine.requireImage()
        try await withTemporaryDirectory { directory in
            let shim = ShimProcess(directory, docker: try DockerEngine.requireSocket())
            try await shim.start()
            do {
                try await body(shim)
                try await shim.removeEverything()
            } catch {
                try? await shim.ensureRunning()
                try? await shim.removeEverything()
                await shim.stop()
                throw error
            }
            await shim.stop()
        }
    }

    var arguments: [String] {
        [
            "serve", "--listen", "unix://\(socket)", "--root", directory + "/state", "--docker-host",
            "unix://\(docker)", "--config", config,
        ]
    }

    /// An empty configuration, so that this machine's is not read.
    private var config: String {
        let path = directory + "/config.yaml"
        if !FileManager.default.fileExists(atPath: path) {
            _ = FileManager.default.createFile(atPath: path, contents: Data())
        }
        return path
    }

    /// - Parameter more: further arguments.
    func start(adding more: [String] = []) async throws {
        let child = try Programs.start("cri-shim", arguments + more, in: programs)
        process.withLockedValue { $0 = child }
        try await eventually("cri-shim serves") {
            guard child.isRunning else { throw Failure(description: "cri-shim ended: \(child.errors)") }
            return (try? await client.call(CRI.RuntimeService.version, .init(), timeout: .seconds(2))) != nil
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    func kill() async {
        guard let child = process.withLockedValue({ $0 }) else { return }
        child.send(SIGKILL)
        _ = await child.wait()
    }

    func ensureRunning() async throws {
        if process.withLockedValue({ $0?.isRunning }) != true { try await start() }
    }

    func stop() async {
        await client.close()
        await stopProcess()
    }

    func stopProcess() async {
        guard let child = process.withLockedValue({ $0 }) else { return }
        child.send(SIGTERM)
        _ = await child.wait()
    }

    /// How many descriptors the process has open.
    func openDescriptors() throws -> Int {
        let child = try #require(process.withLockedValue { $0 })
        return try FileManager.default.contentsOfDirectory(atPath: "/proc/\(child.pid)/fd").count
    }

    /// What the process holds.
    func footprint() throws -> Footprint {
        try Footprint.of(try #require(process.withLockedValue { $0 }).pid)
    }

    /// What it said so far.
    var errors: String { process.withLockedValue { $0?.errors ?? "" } }

    func removeEverything() async throws {
        for sandbox in try await call(CRI.RuntimeService.listPodSandbox, .init()).items {
            _ = try await call(CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox.id })
        }
    }

    func call<Q, R>(_ method: UnaryMethod<Q, R>, _ request: Q) async throws -> R {
        try await client.call(method, request, timeout: .seconds(60))
    }

    // MARK: Pods

    func sandboxConfig(_ name: String) -> CRI.PodSandboxConfig {
        .init {
            $0.metadata = .init {
                $0.name = name
                $0.namespace = "default"
                $0.uid = "uid-\(name)"
            }
            $0.logDirectory = directory + "/logs/" + name
        }
    }

    func runSandbox(_ config: CRI.PodSandboxConfig, handler: String = "") async throws -> String {
        try await call(
            CRI.RuntimeService.runPodSandbox,
            .init {
                $0.config = config
                $0.runtimeHandler = handler
            }
        ).podSandboxId
    }

    func startContainer(
        _ name: String, in sandbox: String, _ config: CRI.PodSandboxConfig, script: String, mounts: [CRI.Mount] = []
    ) async throws -> String {
        let id = try await call(
            CRI.RuntimeService.createContainer,
            .init {
                $0.podSandboxId = sandbox
                $0.config = .init {
                    $0.metadata = .init { $0.name = name }
                    $0.image = .init { $0.image = DockerEngine.image }
                    $0.command = ["sh", "-c", script]
                    $0.logPath = name + ".log"
                    $0.mounts = mounts
                }
                $0.sandboxConfig = config
            }
        ).containerId
        _ = try await call(CRI.RuntimeService.startContainer, .init { $0.containerId = id })
        return id
    }

    func status(_ container: String) async throws -> CRI.ContainerStatus {
        try #require(try await call(CRI.RuntimeService.containerStatus, .init { $0.containerId = container }).status)
    }

    /// The contents of a log's lines.
    func log(_ config: CRI.PodSandboxConfig, _ name: String) throws -> [String] {
        let path = "\(config.logDirectory)/\(name).log"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").map {
            String($0.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).last ?? "")
        }
    }
}
