import Logging
import NIOPosix
import Proto
import RPC
import Sockets

extension FakeRuntime {
    /// Serves the runtime on a unix socket while the body runs.
    func serve<R>(_ path: String, _ body: (Endpoint) async throws -> R) async throws -> R {
        let server = RPCServer(
            listeners: [.unix(path)], router: router(),
            logger: Logger(label: "fake", factory: { _ in SwiftLogNoOpLogHandler() }),
            group: MultiThreadedEventLoopGroup.singleton)
        _ = try await server.start()
        do {
            let result = try await body(.unix(path: path))
            await server.drain(within: .zero)
            return result
        } catch {
            await server.drain(within: .zero)
            throw error
        }
    }

    func unary<Q, R>(
        _ method: UnaryMethod<Q, R>, _ router: inout Router, _ body: @escaping @Sendable (inout State, Q) throws -> R
    ) {
        router.handle(method) { [self] request, _ in
            .now(
                try edit { state in
                    state.count(method.name)
                    return try body(&state, request)
                })
        }
    }

    private func router() -> Router {
        var router = Router()
        typealias Runtime = CRI.RuntimeService
        unary(Runtime.version, &router) { _, _ in
            .init {
                $0.version = "0.1.0"
                $0.runtimeName = "fake"
                $0.runtimeVersion = "1"
                $0.runtimeApiVersion = "v1"
            }
        }
        unary(Runtime.status, &router) { _, _ in
            .init {
                $0.status = .init {
                    $0.conditions = ["RuntimeReady", "NetworkReady"].map { type in
                        .init {
                            $0.type = type
                            $0.status = true
                        }
                    }
                }
            }
        }
        unary(HostAPI.HostService.classifyImage, &router) { state, request in
            guard let machines = state.machines else { throw RPCError(.unimplemented, "no HostService") }
            return .init { $0.runtime = machines.contains(request.image) ? .runtimeVm : .runtimeDocker }
        }
        unary(HostAPI.HostService.hostInfo, &router) { state, _ in
            guard let host = state.host else { throw RPCError(.unimplemented, "no HostService") }
            return host
        }
        unary(Runtime.listPodSandbox, &router) { state, request in state.list(request) }
        unary(Runtime.listContainers, &router) { state, request in state.list(request) }
        unary(Runtime.podSandboxStatus, &router) { state, request in
            guard let sandbox = state.sandboxes[request.podSandboxId] else {
                throw RPCError(.notFound, "no sandbox \(request.podSandboxId)")
            }
            return .init { $0.status = sandbox.status }
        }
        unary(Runtime.containerStatus, &router) { state, request in
            guard let container = state.containers[request.containerId] else {
                throw RPCError(.notFound, "no container \(request.containerId)")
            }
            return .init { $0.status = container.status }
        }
        unary(Runtime.runPodSandbox, &router) { state, request in try state.runSandbox(request) }
        unary(Runtime.stopPodSandbox, &router) { state, request in
            state.stopSandbox(request.podSandboxId)
            return .init()
        }
        unary(Runtime.removePodSandbox, &router) { state, request in try state.removeSandbox(request.podSandboxId) }
        unary(Runtime.createContainer, &router) { state, request in
            let answer = try state.create(request)
            if state.losesCreateAnswers { throw RPCError(.unavailable, "the connection is lost") }
            return answer
        }
        unary(Runtime.startContainer, &router) { state, request in try state.start(request.containerId) }
        router.handle(Runtime.stopContainer) { [self] request, _ in
            let hangs = edit { state in
                state.count(Runtime.stopContainer.name)
                let name = state.containers[request.containerId]?.config.metadata?.name
                if let name { state.stops.append((name, request.timeout)) }
                if state.hangingStops.contains(name ?? "") { return true }
                if !state.ignoresStops { state.end(request.containerId, 143) }
                return false
            }
            guard hangs else { return .now(.init()) }
            return .later {
                try await Task.sleep(for: .seconds(3600))
                return .init()
            }
        }
        unary(Runtime.reopenContainerLog, &router) { state, request in
            guard state.containers[request.containerId]?.status.state == .containerRunning else {
                throw RPCError(.notFound, "no container \(request.containerId) runs")
            }
            return .init()
        }
        unary(Runtime.removeContainer, &router) { state, request in try state.removeContainer(request.containerId) }
        unary(CRI.ImageService.imageStatus, &router) { state, request in .init { $0.image = state.image(request.image) }
        }
        router.handle(CRI.ImageService.pullImage) { [self] request, _ in
            edit { $0.count(CRI.ImageService.pullImage.name) }
            return .later { [self] in
                while edit({ $0.progress?[request.image?.image ?? ""] != nil }) {
                    try await Task.sleep(for: .milliseconds(5))
                }
                return try edit { try $0.pull(request.image, request.auth) }
            }
        }
        router.handle(HostAPI.HostService.watchPulls) { [self] _, _, writer in
            guard let pulls = edit({ $0.progress }) else { throw RPCError(.unimplemented, "no HostService") }
            for pull in pulls.values { try await writer.write(pull) }
            try await Task.sleep(for: .seconds(3600))
        }
        unary(CRI.ImageService.listImages, &router) { state, _ in
            .init { $0.images = state.images.sorted().compactMap { name in state.image(.init { $0.image = name }) } }
        }
        unary(CRI.ImageService.removeImage, &router) { state, request in
            state.images.remove(request.image?.image.replacing("sha256:", with: "") ?? "")
            return .init()
        }
        unary(Runtime.exec, &router) { state, request in
            guard state.containers[request.containerId]?.status.state == .containerRunning else {
                throw RPCError(.failedPrecondition, "container \(request.containerId) does not run")
            }
            state.execs.append(request)
            let url = try state.streamURL("exec", request.tty)
            return .init { $0.url = url }
        }
        router.handle(Runtime.execSync) { [self] request, _ in
            let (name, isHeld) = try edit { state in
                state.count(Runtime.execSync.name)
                guard let container = state.containers[request.containerId],
                    container.status.state == .containerRunning
                else { throw RPCError(.notFound, "container \(request.containerId) does not run") }
                let name = container.config.metadata?.name ?? ""
                state.commands.append((name, request.cmd))
                return (name, !state.heldCommand.isEmpty && request.cmd.first == state.heldCommand)
            }
            return .later { [self] in
                let end = ContinuousClock.now + .seconds(request.timeout > 0 ? request.timeout : 3600)
                while isHeld, edit({ $0.heldCommand == request.cmd.first }) {
                    if ContinuousClock.now > end { throw RPCError(.deadlineExceeded, "the command took too long") }
                    try await Task.sleep(for: .milliseconds(5))
                }
                let (code, output) = try edit { $0.command }(name, request.cmd)
                return .init {
                    $0.exitCode = code
                    $0.stdout = Array(output.utf8)
                }
            }
        }
        unary(Runtime.updateContainerResources, &router) { state, request in
            guard let container = state.containers[request.containerId] else {
                throw RPCError(.notFound, "no container \(request.containerId)")
            }
            if let failure = state.resizeFailure { throw failure }
            if let linux = request.linux {
                state.resources.append((container.config.metadata?.name ?? "", linux))
                state.containers[request.containerId]?.status.resources = CRI.ContainerResources { $0.linux = linux }
            }
            return .init()
        }
        unary(Runtime.attach, &router) { state, request in
            let url = try state.streamURL("attach", request.tty)
            return .init { $0.url = url }
        }
        unary(Runtime.portForward, &router) { state, _ in
            let url = try state.streamURL("portforward", false)
            return .init { $0.url = url }
        }
        registerStats(&router)
        router.handle(Runtime.getContainerEvents) { [self] _, _, writer in
            guard edit({ $0.hasEvents }) else { throw RPCError(.unimplemented, "no events") }
            let (events, listener) = AsyncStream<CRI.ContainerEventResponse>.makeStream()
            let key = edit { state in
                state.next += 1
                state.listeners[state.next] = listener
                return state.next
            }
            defer { edit { $0.listeners[key] = nil } }
            for await event in events { try await writer.write(event) }
        }
        return router
    }
}
