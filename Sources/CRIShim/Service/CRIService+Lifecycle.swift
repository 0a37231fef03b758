import Proto
import RPC

extension CRIService {
    func registerSandboxes(in router: inout Router) {
        work(CRI.RuntimeService.runPodSandbox, in: &router) { request, _ in
            guard let config = request.config else {
                throw ShimError(.invalidArgument, "RunPodSandbox was called without a sandbox config")
            }
            let id = try await sandboxes.run(config, handler: request.runtimeHandler)
            return .init { $0.podSandboxId = id }
        }
        work(CRI.RuntimeService.stopPodSandbox, in: &router) { request, _ in
            try await sandboxes.stop(request.podSandboxId)
            return .init()
        }
        work(CRI.RuntimeService.removePodSandbox, in: &router) { request, _ in
            try await sandboxes.remove(request.podSandboxId)
            return .init()
        }
        read(CRI.RuntimeService.podSandboxStatus, in: &router) { request in
            let sandbox = try store.sandbox(request.podSandboxId)
            try store.requireKnown(sandbox)
            return .now(
                .init {
                    $0.status = sandbox.status
                    $0.containersStatuses = store.containers(inSandbox: sandbox.id).map(\.status)
                    $0.timestamp = Timestamps.now()
                    if request.verbose { $0.info = details(of: sandbox) }
                })
        }
    }

    private func details(of sandbox: SandboxEntry) -> [String: String] {
        [
            "info": JSONText.object([
                ("runtimeHandler", .text(sandbox.record.handler)),
                ("runtime", .text(sandbox.record.runtime ?? "")),
                ("holder", .text(sandbox.holder ?? "")),
                ("logDirectory", .text(sandbox.record.logDirectory)),
                ("hostname", .text(sandbox.record.hostname)),
                ("cgroupParent", .text(sandbox.record.cgroupParent)),
            ])
        ]
    }

    func registerContainers(in router: inout Router) {
        work(CRI.RuntimeService.createContainer, in: &router) { request, _ in
            let id = try await containers.create(request)
            return .init { $0.containerId = id }
        }
        work(CRI.RuntimeService.startContainer, in: &router) { request, _ in
            try await containers.start(request.containerId)
            return .init()
        }
        work(CRI.RuntimeService.stopContainer, in: &router) { request, _ in
            try await containers.stop(request.containerId, timeout: request.timeout)
            return .init()
        }
        work(CRI.RuntimeService.removeContainer, in: &router) { request, _ in
            try await containers.remove(request.containerId)
            return .init()
        }
        work(CRI.RuntimeService.updateContainerResources, in: &router) { request, _ in
            try await containers.update(request)
            return .init()
        }
        work(CRI.RuntimeService.reopenContainerLog, in: &router) { request, _ in
            try await containers.reopenLog(request.containerId)
            return .init()
        }
        work(CRI.RuntimeService.checkpointContainer, in: &router) { request, _ in
            guard !request.location.isEmpty else {
                throw ShimError(.invalidArgument, "CheckpointContainer was called without a location")
            }
            let container = try containers.running(request.containerId, to: "be checkpointed")
            try await runtimes.of(container).checkpoint(
                container, to: request.location, timeout: max(0, request.timeout))
            return .init()
        }
        read(CRI.RuntimeService.containerStatus, in: &router) { request in
            try store.requireContainersKnown(for: request.containerId)
            let container = try store.container(request.containerId)
            let details = request.verbose ? try runtimes.of(container).details(container) : [:]
            return .now(
                .init {
                    $0.status = container.status
                    $0.info = details
                })
        }
    }
}
