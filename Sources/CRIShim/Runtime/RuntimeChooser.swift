import Proto

/// Decides which runtime a container is made by: its image says so.
protocol RuntimeChooser: Sendable {
    /// - Returns: a runtime's name.
    /// - Throws: `invalidArgument` when the image cannot be what the pod's handler or annotations say.
    func runtime(for config: CRI.ContainerConfig, in sandbox: SandboxRecord) async throws -> String
}

extension RuntimeChoice: RuntimeChooser {
    func runtime(for config: CRI.ContainerConfig, in sandbox: SandboxRecord) async throws -> String {
        let image = config.image?.image ?? ""
        // Not the name of an image but the path of a machine that was saved.
        if try await RootDirectory.offload({ try MachineCheckpoint.isPath(image) }) {
            guard sandbox.handler != Kind.docker.rawValue else {
                throw ShimError(
                    .invalidArgument,
                    "\(image) is a virtual machine's checkpoint, and the pod's runtime handler \"docker\" runs none")
            }
            return Kind.vm.rawValue
        }
        return try await decide(
            container: config.metadata?.name ?? "", image: config.image?.image ?? "", handler: sandbox.handler,
            annotations: sandbox.annotations
        ).kind.rawValue
    }
}
