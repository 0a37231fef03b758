import Proto

/// Decides which runtime a container is made by: its image says so.
protocol RuntimeChooser: Sendable {
    /// - Returns: a runtime's name.
    /// - Throws: `invalidArgument` when the image cannot be what the pod's handler or annotations say.
    func runtime(for config: CRI.ContainerConfig, in sandbox: SandboxRecord) async throws -> String
}

extension RuntimeChoice: RuntimeChooser {
    func runtime(for config: CRI.ContainerConfig, in sandbox: SandboxRecord) async throws -> String {
        try await decide(
            container: config.metadata?.name ?? "", image: config.image?.image ?? "", handler: sandbox.handler,
            annotations: sandbox.annotations
        ).kind.rawValue
    }
}
