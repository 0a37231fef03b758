import HTTP
import Logging
import NIOCore
import NIOPosix
import Proto
import RPC
import Sockets
import Streaming
import Support
import Synchronization

@testable import CRIControl

/// A CRI server that answers from what a test puts into it, on a unix socket of its own.
final class FakeRuntime: Sendable {
    struct Contents: Sendable {
        var pods: [CRI.PodSandbox] = []
        var containers: [CRI.Container] = []
        var images: [CRI.Image] = []
        var logPath = ""
        var state = CRI.ContainerState.containerExited
        var execURL = ""
        var portForwardURL = ""
        var syncAnswer = CRI.ExecSyncResponse()
        /// What PullImage fails with.
        var pullFailure = RPCError(.unavailable, "RegistryUnavailable: no such host")
        /// What was asked for, in order: `StopContainer ID 5`.
        var calls: [String] = []
    }

    private let contents: Mutex<Contents>
    var calls: [String] { contents.withLock(\.calls) }

    private init(_ contents: Contents) { self.contents = Mutex(contents) }

    /// Runs `body` with a runtime, the commands of a client of it, and what they wrote.
    static func with(
        _ contents: Contents, _ body: (FakeRuntime, ControlCommands, Written) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let runtime = FakeRuntime(contents)
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let group = MultiThreadedEventLoopGroup.singleton
            let server = RPCServer(
                listeners: [.unix(directory + "/c.sock", .init())], router: runtime.router(), logger: logger,
                group: group)
            let endpoint = try await server.start()[0]
            let client = try ControlClient(endpoint: endpoint, timeout: .seconds(20), group: group, logger: logger)
            let written = Written()
            let commands = ControlCommands(client: client, output: written.output, now: { 100_000_000_000 })
            var failure: (any Error)?
            do { try await body(runtime, commands, written) } catch { failure = error }
            await client.close()
            await server.drain(within: .seconds(1))
            if let failure { throw failure }
        }
    }

    private func router() -> Router {
        var router = Router()
        router.handle(CRI.RuntimeService.version) { _, _ in
            .now(
                .init {
                    $0.version = "0.1.0"
                    $0.runtimeName = "fake"
                    $0.runtimeVersion = "9.9"
                    $0.runtimeApiVersion = "v1"
                })
        }
        router.handle(CRI.RuntimeService.listPodSandbox) { [self] _, _ in
            .now(.init { $0.items = contents.withLock(\.pods) })
        }
        router.handle(CRI.RuntimeService.listContainers) { [self] _, _ in
            .now(.init { $0.containers = contents.withLock(\.containers) })
        }
        router.handle(CRI.ImageService.listImages) { [self] _, _ in
            .now(.init { $0.images = contents.withLock(\.images) })
        }
        router.handle(CRI.ImageService.pullImage) { [self] _, _ in throw contents.withLock(\.pullFailure) }
        router.handle(CRI.RuntimeService.containerStatus) { [self] request, _ in
            .now(
                .init { answer in
                    answer.status = .init {
                        $0.id = request.containerId
                        $0.logPath = contents.withLock(\.logPath)
                        $0.state = contents.withLock(\.state)
                    }
                })
        }
        router.handle(CRI.RuntimeService.stopContainer) { [self] request, _ in
            record("StopContainer \(request.containerId) \(request.timeout)")
            return .now(.init())
        }
        router.handle(CRI.RuntimeService.removeContainer) { [self] request, _ in
            record("RemoveContainer \(request.containerId)")
            return .now(.init())
        }
        router.handle(CRI.RuntimeService.stopPodSandbox) { [self] request, _ in
            record("StopPodSandbox \(request.podSandboxId)")
            return .now(.init())
        }
        router.handle(CRI.RuntimeService.removePodSandbox) { [self] request, _ in
            record("RemovePodSandbox \(request.podSandboxId)")
            return .now(.init())
        }
        router.handle(CRI.RuntimeService.execSync) { [self] request, _ in
            record("ExecSync \(request.containerId) \(request.cmd.joined(separator: " ")) \(request.timeout)")
            return .now(contents.withLock(\.syncAnswer))
        }
        router.handle(CRI.RuntimeService.exec) { [self] request, _ in
            record("Exec \(request.cmd.joined(separator: " ")) tty=\(request.tty) stdin=\(request.stdin)")
            return .now(.init { $0.url = contents.withLock(\.execURL) })
        }
        router.handle(CRI.RuntimeService.portForward) { [self] request, _ in
            record("PortForward \(request.podSandboxId) \(request.port)")
            return .now(.init { $0.url = contents.withLock(\.portForwardURL) })
        }
        return router
    }

    /// The next answers say that the container has ended.
    func exit() { contents.withLock { $0.state = .containerExited } }

    private func record(_ call: String) { contents.withLock { $0.calls.append(call) } }
}

/// What a command wrote.
final class Written: Sendable {
    private let bytes = Mutex<(standard: [UInt8], error: [UInt8])>(([], []))

    var output: ControlOutput {
        ControlOutput(
            standard: { [self] buffer in bytes.withLock { $0.standard += buffer.readableBytesView } },
            error: { [self] buffer in bytes.withLock { $0.error += buffer.readableBytesView } })
    }

    var standard: String { String(decoding: bytes.withLock(\.standard), as: UTF8.self) }
    var error: String { String(decoding: bytes.withLock(\.error), as: UTF8.self) }
}
