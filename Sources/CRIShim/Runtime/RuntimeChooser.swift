import Proto

/// Decides which runtime a container is made by: its image says so.
protocol RuntimeChooser: Sendable {
    /// - Returns: a runtime's name.
    /// - Throws: `invalidArgument` when the image cannot be what the pod's handler or annotations say.
    func runtime(for config: CRI.ContainerConfig, in sandbox: SandboxRecord) async throws -> String
}

/// By what is in the local store of machines' images; everything else is for containers.
struct LocalChooser: RuntimeChooser {
    let images: any MachineImages
    let standard: String

    func runtime(for config: CRI.ContainerConfig, in sandbox: SandboxRecord) async throws -> String {
        let reference = config.image?.image ?? ""
        guard try await images.has(reference) else { return standard }
        guard sandbox.handler.isEmpty || sandbox.handler == VMRuntime.handler else {
            throw ShimError(
                .invalidArgument,
                "image \(reference) is a virtual machine's; sandbox \(sandbox.id) has the runtime handler "
                    + "\(sandbox.handler): use the handler vm, or none")
        }
        return VMRuntime.handler
    }
}
