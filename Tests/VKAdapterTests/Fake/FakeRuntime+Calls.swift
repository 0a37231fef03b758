import Proto
import RPC

@testable import VKAdapter

extension FakeRuntime.State {
    mutating func runSandbox(_ request: CRI.RunPodSandboxRequest) throws -> CRI.RunPodSandboxResponse {
        guard let config = request.config, let metadata = config.metadata, !metadata.uid.isEmpty else {
            throw RPCError(.invalidArgument, "no metadata")
        }
        if busySandboxes > 0 {
            busySandboxes -= 1
            throw RPCError(.alreadyExists, "the sandbox is being made by another call")
        }
        if let sandboxFailure { throw RPCError(.unknown, sandboxFailure) }
        if sandboxes.values.contains(where: { $0.config.metadata == metadata }) {
            throw RPCError(.alreadyExists, "the sandbox name is reserved")
        }
        if sandboxes.values.contains(where: {
            $0.config.metadata?.uid == metadata.uid && $0.status.state == .sandboxReady
        }) {
            twins.append(metadata.uid)
        }
        if let slots {
            func wanted(_ config: CRI.PodSandboxConfig) -> Int {
                Int(config.annotations["vzcri.dev/vm-slots"] ?? "") ?? 0
            }
            let used = sandboxes.values.filter { $0.status.state == .sandboxReady }.reduce(0) { $0 + wanted($1.config) }
            if used + wanted(config) > slots {
                throw RPCError(.resourceExhausted, "WaitingForVMSlot: \(used) of \(slots) places are taken")
            }
        }
        let id = id("sandbox")
        let now = now()
        sandboxes[id] = FakeRuntime.Sandbox(
            config: config, handler: request.runtimeHandler,
            status: CRI.PodSandboxStatus {
                $0.id = id
                $0.metadata = metadata
                $0.state = .sandboxReady
                $0.createdAt = now
                $0.labels = config.labels
                $0.annotations = config.annotations
                $0.network = CRI.PodSandboxNetworkStatus { $0.ip = "10.1.0.\(next)" }
                $0.runtimeHandler = request.runtimeHandler
            })
        made[metadata.uid, default: []].append(id)
        tell(id, .containerStartedEvent)
        return .init { $0.podSandboxId = id }
    }

    mutating func removeSandbox(_ id: String) throws -> CRI.RemovePodSandboxResponse {
        stopSandbox(id)
        for (container, value) in containers where value.sandbox == id { containers[container] = nil }
        if sandboxes.removeValue(forKey: id) != nil { tell(id, .containerDeletedEvent) }
        return .init()
    }

    mutating func create(_ request: CRI.CreateContainerRequest) throws -> CRI.CreateContainerResponse {
        guard let sandbox = sandboxes[request.podSandboxId], sandbox.status.state == .sandboxReady else {
            throw RPCError(.notFound, "no sandbox \(request.podSandboxId) that is ready")
        }
        guard let config = request.config, let metadata = config.metadata, let image = config.image else {
            throw RPCError(.invalidArgument, "no metadata or image")
        }
        guard images.contains(where: { $0 == image.image || "sha256:\($0)" == image.image }) else {
            throw RPCError(.notFound, "no image \(image.image)")
        }
        if containers.values.contains(where: {
            $0.config.metadata == metadata
                && sandboxes[$0.sandbox]?.config.metadata?.uid == sandbox.config.metadata?.uid
        }) {
            throw RPCError(.alreadyExists, "the container name is reserved")
        }
        // A pod's resources may have changed since, as with a kubelet.
        func constant(_ config: CRI.PodSandboxConfig?) -> CRI.PodSandboxConfig? {
            var config = config
            config?.linux?.resources = nil
            return config
        }
        guard constant(request.sandboxConfig) == constant(sandbox.config) else {
            throw RPCError(.invalidArgument, "another sandbox config than the sandbox was made with")
        }
        let id = id("container")
        let now = now()
        containers[id] = FakeRuntime.Container(
            sandbox: request.podSandboxId, config: config,
            status: CRI.ContainerStatus {
                $0.id = id
                $0.metadata = metadata
                $0.state = .containerCreated
                $0.createdAt = now
                $0.labels = config.labels
                $0.annotations = config.annotations
                $0.image = image
                $0.imageRef = image.image
                $0.logPath = "\(sandbox.config.logDirectory)/\(config.logPath)"
                $0.mounts = config.mounts
            })
        made[sandbox.config.metadata?.uid ?? "", default: []].append(id)
        tell(id, .containerCreatedEvent)
        return .init { $0.containerId = id }
    }

    mutating func start(_ id: String) throws -> CRI.StartContainerResponse {
        guard let container = containers[id] else { throw RPCError(.notFound, "no container \(id)") }
        guard container.status.state == .containerCreated else {
            throw RPCError(.failedPrecondition, "container \(id) was started before")
        }
        guard sandboxes[container.sandbox]?.status.state == .sandboxReady else {
            throw RPCError(.failedPrecondition, "the sandbox of container \(id) is not ready")
        }
        let image = container.config.image?.userSpecifiedImage ?? ""
        if unstartable.contains(image) { throw RPCError(.unknown, "exec: \"nope\": not found") }
        let now = now()
        containers[id]?.status.state = .containerRunning
        containers[id]?.status.startedAt = now
        tell(id, .containerStartedEvent)
        if let code = exits[image] { end(id, code) }
        return .init()
    }

    mutating func removeContainer(_ id: String) throws -> CRI.RemoveContainerResponse {
        end(id, 137)
        if containers[id] != nil {
            tell(id, .containerDeletedEvent)
            containers[id] = nil
        }
        return .init()
    }

    func list(_ request: CRI.ListPodSandboxRequest) -> CRI.ListPodSandboxResponse {
        .init {
            $0.items = found(sandboxes, request.filter?.labelSelector).map(\.status)
                .filter { matches($0.labels, request.filter?.labelSelector) }
                .map { status in
                    CRI.PodSandbox {
                        $0.id = status.id
                        $0.metadata = status.metadata
                        $0.state = status.state
                        $0.createdAt = status.createdAt
                        $0.labels = status.labels
                        $0.annotations = status.annotations
                    }
                }
        }
    }

    func list(_ request: CRI.ListContainersRequest) -> CRI.ListContainersResponse {
        .init {
            $0.containers = found(containers, request.filter?.labelSelector)
                .filter { matches($0.status.labels, request.filter?.labelSelector) }
                .map { container in
                    CRI.Container {
                        $0.id = container.status.id
                        $0.podSandboxId = container.sandbox
                        $0.metadata = container.status.metadata
                        $0.state = container.status.state
                        $0.createdAt = container.status.createdAt
                        $0.labels = container.status.labels
                        $0.annotations = container.status.annotations
                    }
                }
        }
    }

    private func found<One>(_ all: [String: One], _ selector: [String: String]?) -> [One] {
        guard let uid = selector?[KubeletLabel.podUID] else { return Array(all.values) }
        return (made[uid] ?? []).compactMap { all[$0] }
    }

    private func matches(_ labels: [String: String], _ selector: [String: String]?) -> Bool {
        (selector ?? [:]).allSatisfy { labels[$0.key] == $0.value }
    }

    func image(_ spec: CRI.ImageSpec?) -> CRI.Image? {
        guard let name = spec?.image, images.contains(name) else { return nil }
        return CRI.Image {
            $0.id = "sha256:\(name)"
            $0.repoTags = [name]
            $0.size = 4_194_304
        }
    }

    mutating func pull(_ spec: CRI.ImageSpec?, _ auth: CRI.AuthConfig?) throws -> CRI.PullImageResponse {
        if let registryFailure { throw registryFailure }
        let name = spec?.image ?? ""
        if let password = passwords[name], auth?.password != password {
            throw RPCError(.unknown, "\(name): unauthorized as \"\(auth?.username ?? "")\"")
        }
        guard registry.contains(name) else { throw RPCError(.notFound, "\(name): not found in any registry") }
        images.insert(name)
        return .init { $0.imageRef = "sha256:\(name)" }
    }
}
