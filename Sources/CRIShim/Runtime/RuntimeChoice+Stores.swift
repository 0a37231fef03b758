import Docker
import VMImages

extension RuntimeChoice {
    /// The choice over this node's stores.
    init(
        machines: VMImageCatalog, docker: DockerClient, dockerHealth: @escaping @Sendable () -> RuntimeHealth,
        patterns: [ImagePattern], manifests: (any ManifestClassifier)? = nil
    ) {
        self.init(
            vmImage: { try await machines.find($0)?.id },
            dockerImage: { image in
                guard dockerHealth().isReady else { return nil }
                do {
                    return try await docker.inspectImageIfPresent(image)?.id
                } catch let error as DockerError where error.code == .unavailable {
                    return nil
                }
            },
            isCheckpoint: { image in try await RootDirectory.offload { try MachineCheckpoint.isPath(image) } },
            patterns: patterns, manifests: manifests)
    }
}
