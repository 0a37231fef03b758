public import Proto

/// What is there.
extension ControlClient {
    public func version() async throws -> CRI.VersionResponse {
        try await call(CRI.RuntimeService.version, .init { $0.version = "v1" })
    }

    /// With everything the runtime tells about itself (`verbose`).
    public func status() async throws -> CRI.StatusResponse {
        try await call(CRI.RuntimeService.status, .init { $0.verbose = true })
    }

    public func runtimeConfig() async throws -> CRI.RuntimeConfigResponse {
        try await call(CRI.RuntimeService.runtimeConfig, .init())
    }

    /// All pod sandboxes, newest first.
    public func pods() async throws -> [CRI.PodSandbox] {
        let answer = try await call(CRI.RuntimeService.listPodSandbox, .init())
        return answer.items.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    /// All containers, newest first.
    public func containers() async throws -> [CRI.Container] {
        let answer = try await call(CRI.RuntimeService.listContainers, .init())
        return answer.containers.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }
    }

    /// All images, by their first name.
    public func images() async throws -> [CRI.Image] {
        let answer = try await call(CRI.ImageService.listImages, .init())
        return answer.images.sorted { ($0.repoTags.first ?? "~", $0.id) < ($1.repoTags.first ?? "~", $1.id) }
    }

    /// - Throws: `unsupported` from a runtime that has no statistics.
    public func containerStats() async throws -> [CRI.ContainerStats] {
        try await call(CRI.RuntimeService.listContainerStats, .init()).stats
    }

    public func containerStatus(_ id: String) async throws -> CRI.ContainerStatusResponse {
        try await call(
            CRI.RuntimeService.containerStatus,
            .init {
                $0.containerId = id
                $0.verbose = true
            })
    }

    public func podStatus(_ id: String) async throws -> CRI.PodSandboxStatusResponse {
        try await call(
            CRI.RuntimeService.podSandboxStatus,
            .init {
                $0.podSandboxId = id
                $0.verbose = true
            })
    }
}

/// What a person means: full ids from beginnings of ids and from names.
extension ControlClient {
    /// - Parameter query: a container's id, the beginning of it, `NAME`, `POD/NAME` or `NAMESPACE/POD/NAME`.
    /// - Throws: `notFound`, `ambiguous`.
    public func containerID(_ query: String) async throws -> String {
        let sandboxes = Dictionary(try await pods().map { ($0.id, $0) }) { first, _ in first }
        let candidates = try await containers().map { container in
            let name = container.metadata?.name ?? ""
            let pod = sandboxes[container.podSandboxId]?.metadata
            let inPod = "\(pod?.name ?? container.podSandboxId)/\(name)"
            return Lookup.Candidate(
                id: container.id, names: [name, inPod, "\(pod?.namespace ?? "")/\(inPod)"],
                group: "\(pod?.uid ?? container.podSandboxId)/\(name)",
                isLive: container.state == .containerRunning, createdAt: container.createdAt)
        }
        return try Lookup.find(query, among: candidates, kind: "container").id
    }

    /// - Parameter query: a sandbox's id, the beginning of it, the pod's `NAME` or `NAMESPACE/NAME`.
    /// - Throws: `notFound`, `ambiguous`.
    public func podID(_ query: String) async throws -> String {
        let candidates = try await pods().map { pod in
            let name = pod.metadata?.name ?? ""
            return Lookup.Candidate(
                id: pod.id, names: [name, "\(pod.metadata?.namespace ?? "")/\(name)"],
                group: pod.metadata?.uid ?? pod.id,
                isLive: pod.state == .sandboxReady, createdAt: pod.createdAt)
        }
        return try Lookup.find(query, among: candidates, kind: "pod").id
    }
}
