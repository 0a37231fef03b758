import Foundation
import NIOConcurrencyHelpers
import Support
import Testing

/// A shim and a `vk-adapter run` in front of it, each of which can be killed and started again.
final class NodeProcess: Sendable {
    let shim: ShimProcess
    /// How the adapter is told of its runtime.
    private let runtime: [String]
    /// Where its pods come from.
    private let source: [String]
    private let adapter = NIOLockedValueBox<ChildProcess?>(nil)
    let port: Int

    var directory: String { shim.directory }
    var manifests: String { directory + "/pods" }
    private var root: String { directory + "/adapter" }

    /// - Parameters:
    ///   - runtime: the adapter's arguments that name its runtime; the shim's socket when not given.
    ///   - kubeconfig: of the cluster whose node it is; without one pods come from ``manifests``.
    init(_ shim: ShimProcess, runtime: [String]? = nil, kubeconfig: String? = nil) throws {
        self.shim = shim
        self.runtime = runtime ?? ["--cri", "unix://\(shim.socket)"]
        source =
            kubeconfig.map { ["--kubeconfig", $0] }
            ?? ["--standalone", "--pod-manifest-path", shim.directory + "/pods"]
        port = try LoopbackPort.take()
        try FileManager.default.createDirectory(atPath: directory + "/pods", withIntermediateDirectories: true)
    }

    static func with(_ body: (NodeProcess) async throws -> Void) async throws {
        try await ShimProcess.with { shim async throws in
            let node = try NodeProcess(shim)
            try await node.startAdapter()
            do {
                try await body(node)
            } catch {
                await node.stopAdapter()
                throw error
            }
            await node.stopAdapter()
        }
    }

    var adapterArguments: [String] {
        [
            "run", "--root", root, "--pod-logs", directory + "/podlogs", "--nodename", "node", "--kubelet-address",
            "127.0.0.1", "--kubelet-port", "\(port)",
            "--config", "/dev/null",
        ] + source + runtime
    }

    func startAdapter() async throws {
        let child = try Programs.start("vk-adapter", adapterArguments, in: shim.programs)
        adapter.withLockedValue { $0 = child }
        try await eventually("vk-adapter serves") {
            guard child.isRunning else { throw ShimProcess.Failure(description: "vk-adapter ended: \(child.errors)") }
            return (try? await kubelet("/healthz")).map { $0.status == 200 } ?? false
        }
    }

    func killAdapter() async {
        guard let child = adapter.withLockedValue({ $0 }) else { return }
        child.send(SIGKILL)
        _ = await child.wait()
    }

    func stopAdapter() async {
        guard let child = adapter.withLockedValue({ $0 }) else { return }
        child.send(SIGTERM)
        _ = await child.wait()
    }

    var adapterErrors: String { adapter.withLockedValue { $0?.errors ?? "" } }

    // MARK: Manifests

    func write(_ name: String, _ manifest: String) throws {
        // As editors do: a temporary file, then its name.
        try Data(manifest.utf8).write(to: URL(filePath: manifests + "/." + name))
        _ = try? FileManager.default.removeItem(atPath: "\(manifests)/\(name)")
        try FileManager.default.moveItem(atPath: manifests + "/." + name, toPath: "\(manifests)/\(name)")
    }

    func remove(_ name: String) throws { try FileManager.default.removeItem(atPath: "\(manifests)/\(name)") }

    static func manifest(
        _ name: String, script: String, restartPolicy: String = "Always", grace: Int = 2, extra: String = ""
    ) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata:
          name: \(name)
        spec:
          restartPolicy: \(restartPolicy)
          terminationGracePeriodSeconds: \(grace)
          containers:
            - name: main
              image: \(DockerEngine.image)
              imagePullPolicy: Never
              command: ["sh", "-c", "\(script)"]
        \(extra)
        """
    }

    // MARK: The kubelet API

    var token: String {
        get throws {
            try String(contentsOfFile: root + "/kubelet-token", encoding: .utf8).trimmingCharacters(
                in: .whitespacesAndNewlines)
        }
    }

    /// - Parameter limit: seconds.
    func kubelet(
        _ path: String, method: String = "GET", token: String? = nil, limit: Int = 20
    ) async throws -> (status: Int, body: String) {
        let outcome = try await ChildProcess.run(
            "/usr/bin/curl",
            [
                "-sS", "-k", "-X", method, "--max-time", "\(limit)", "-w", "\n%{http_code}", "-H",
                "Authorization: Bearer \(try token ?? self.token)",
                "https://127.0.0.1:\(port)\(path)",
            ])
        guard outcome.code == 0, let end = outcome.output.lastIndex(of: "\n"),
            let status = Int(outcome.output[outcome.output.index(after: end)...])
        else { throw ShimProcess.Failure(description: "curl \(path): \(outcome.errors)") }
        return (status, String(outcome.output[..<end]))
    }

    struct PodList: Decodable {
        let items: [Pod]
    }
    struct Pod: Decodable {
        struct Metadata: Decodable {
            let name: String
            let uid: String
        }
        struct State: Decodable {
            struct Running: Decodable {
                let startedAt: String
            }
            struct Terminated: Decodable {
                let exitCode: Int
                let message: String?
            }
            struct Waiting: Decodable {
                let reason: String?
                let message: String?
            }
            let running: Running?
            let terminated: Terminated?
            let waiting: Waiting?
        }
        struct ContainerStatus: Decodable {
            let restartCount: Int
            let containerID: String?
            let state: State?
            let lastState: State?
        }
        struct Status: Decodable {
            let phase: String?
            let podIP: String?
            let containerStatuses: [ContainerStatus]?
        }
        let metadata: Metadata
        let status: Status

        var container: ContainerStatus? { status.containerStatuses?.first }
    }

    func pods() async throws -> [Pod] {
        try JSONDecoder().decode(PodList.self, from: Data(try await kubelet("/pods").body.utf8)).items
    }

    func pod(_ name: String) async throws -> Pod? { try await pods().first { $0.metadata.name == name } }
}
