import Logging
import Measuring
import NIOPosix
import Proto
import RPC
import Sockets

/// Machines started through a shim.
struct ShimMachine {
    private let client: RPCClient
    private let socket: String
    private let image: String
    private let directory: String

    init(socket: String, image: String, directory: String) {
        self.socket = socket
        self.image = image
        self.directory = directory
        client = RPCClient(
            endpoint: .unix(path: socket), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "bench"))
    }

    func close() async { await client.close() }

    /// Pod and container are made beforehand: only the start is measured.
    func start(_ number: Int) async throws -> Sample {
        let config = CRI.PodSandboxConfig {
            $0.metadata = .init {
                $0.name = "bench-\(number)"
                $0.namespace = "bench"
                $0.uid = "bench-\(number)"
            }
            $0.logDirectory = directory + "/logs"
        }
        let sandbox = try await call(
            CRI.RuntimeService.runPodSandbox,
            .init {
                $0.config = config
                $0.runtimeHandler = "vm"
            }
        ).podSandboxId
        let id = try await call(
            CRI.RuntimeService.createContainer,
            .init {
                $0.podSandboxId = sandbox
                $0.config = .init {
                    $0.metadata = .init { $0.name = "main" }
                    $0.image = .init { $0.image = image }
                    $0.mounts = [
                        .init {
                            $0.containerPath = "/shared"
                            $0.hostPath = directory + "/shared"
                        }
                    ]
                }
                $0.sandboxConfig = config
            }
        ).containerId
        let shim = try ProcessorTime.of { $0.contains("cri-shim\0serve\0") && $0.contains(socket) }
        let clock = ContinuousClock.now
        _ = try await call(CRI.RuntimeService.startContainer, .init { $0.containerId = id })
        let answer = try await call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = ["test", "-d", "/shared"]
            })
        let wall = ContinuousClock.now - clock
        guard answer.exitCode == 0 else { throw BenchError(description: "the command in the guest failed") }
        // The supervisor, the machine and its file server; and what the shim itself did meanwhile.
        let machine = try ProcessorTime.of { $0.contains(String(id.prefix(16))) }
        let own = try ProcessorTime.of { $0.contains("cri-shim\0serve\0") && $0.contains(socket) } - shim
        _ = try await call(CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox })
        return Sample(wall: wall / .seconds(1), processor: machine + own)
    }

    private func call<Q, R>(_ method: UnaryMethod<Q, R>, _ request: Q) async throws -> R {
        try await client.call(method, request, timeout: .seconds(180))
    }
}
