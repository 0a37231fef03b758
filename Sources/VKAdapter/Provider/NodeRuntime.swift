import Proto

/// What the kubelet API asks a runtime besides what pods need. Fails as ``Provider`` does.
protocol NodeRuntime: Sendable {
    /// Of every sandbox of this node.
    func sandboxStats() async throws -> [CRI.PodSandboxStats]
    /// Of every container of this node that runs.
    func containerStats() async throws -> [CRI.ContainerStats]
    func imageFileSystem() async throws -> CRI.ImageFsInfoResponse
    /// What the runtime measures under cAdvisor's names, of all that runs there.
    func runtimeMetrics() async throws -> RuntimeMetrics

    /// Runs a command and waits for its end.
    /// - Parameter limit: after it the command is ended.
    func run(_ command: [String], in container: String, limit: Duration) async throws -> CRI.ExecSyncResponse
    /// Writes the state of a running container to a file on the runtime's machine.
    func checkpoint(_ container: String, to file: String, limit: Duration) async throws
}

/// Metrics a runtime names itself.
struct RuntimeMetrics: Sendable {
    var descriptors: [CRI.MetricDescriptor] = []
    var pods: [CRI.PodSandboxMetrics] = []
}

extension CRIProvider: NodeRuntime {
    /// A runtime that is asked what everything uses answers soon, or the answer is given without it.
    private static let patience: Duration = .seconds(5)

    func sandboxStats() async throws -> [CRI.PodSandboxStats] {
        try await call(
            CRI.RuntimeService.listPodSandboxStats,
            .init { request in request.filter = .init { $0.labelSelector = [Self.nodeLabel: nodeName] } },
            "learn what pods use", Self.patience
        ).stats
    }

    func containerStats() async throws -> [CRI.ContainerStats] {
        try await call(
            CRI.RuntimeService.listContainerStats,
            .init { request in request.filter = .init { $0.labelSelector = [Self.nodeLabel: nodeName] } },
            "learn what containers use", Self.patience
        ).stats
    }

    func imageFileSystem() async throws -> CRI.ImageFsInfoResponse {
        try await call(CRI.ImageService.imageFsInfo, .init(), "learn what images take", Self.patience)
    }

    func runtimeMetrics() async throws -> RuntimeMetrics {
        let descriptors = try await call(
            CRI.RuntimeService.listMetricDescriptors, .init(), "learn which metrics there are", Self.patience
        ).descriptors
        if descriptors.isEmpty { return RuntimeMetrics() }
        let pods = try await call(
            CRI.RuntimeService.listPodSandboxMetrics, .init(), "learn the metrics of pods", Self.patience
        ).podMetrics
        return RuntimeMetrics(descriptors: descriptors, pods: pods)
    }

    func run(_ command: [String], in container: String, limit: Duration) async throws -> CRI.ExecSyncResponse {
        try await call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = container
                $0.cmd = command
                $0.timeout = limit.components.seconds
            }, "run a command in container \(container)", limit + timeouts.short)
    }

    func checkpoint(_ container: String, to file: String, limit: Duration) async throws {
        _ = try await call(
            CRI.RuntimeService.checkpointContainer,
            .init {
                $0.containerId = container
                $0.location = file
                $0.timeout = limit.components.seconds
            }, "write a checkpoint of container \(container)", limit + timeouts.short)
    }
}
