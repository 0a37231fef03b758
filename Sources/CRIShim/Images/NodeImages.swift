import Logging
import Proto
import VMImages

/// All images of the node: those of machines and Docker's. What concerns machines needs no Docker.
final class NodeImages: ImageManager {
    private let machines: VMImageCatalog
    private let docker: any ImageManager
    /// Whether the engine answers.
    private let dockerHealth: @Sendable () -> RuntimeHealth
    private let choice: RuntimeChoice
    /// nil: images of machines come by import alone.
    private let pulls: VMImagePulls?

    init(
        machines: VMImageCatalog, docker: any ImageManager, dockerHealth: @escaping @Sendable () -> RuntimeHealth,
        choice: RuntimeChoice, pulls: VMImagePulls? = nil
    ) {
        self.machines = machines
        self.docker = docker
        self.dockerHealth = dockerHealth
        self.choice = choice
        self.pulls = pulls
    }

    /// Without an engine the list is of what is left.
    func list(_ filter: CRI.ImageFilter?) async throws -> [CRI.Image] {
        if let wanted = filter?.image, !wanted.image.isEmpty {
            if let found = try await machines.find(wanted.image) { return [machines.cri(found)] }
            guard dockerHealth().isReady else { return [] }
            return try await docker.list(filter)
        }
        let found = try await machines.list().map(machines.cri)
        guard dockerHealth().isReady else { return found }
        return try await found + docker.list(filter)
    }

    func status(
        _ image: CRI.ImageSpec, verbose: Bool
    ) async throws -> (image: CRI.Image, details: [String: String])? {
        if let found = try await machines.find(image.image) {
            return (machines.cri(found), verbose ? found.details : [:])
        }
        guard try await isDockers(image) else { return nil }
        return try await docker.status(image, verbose: verbose)
    }

    func pull(_ image: CRI.ImageSpec, auth: CRI.AuthConfig?) async throws -> String {
        let decision = try await choice.decide(image: image.image, handler: image.runtimeHandler, auth: auth)
        switch (decision.kind, decision.id) {
        case (.vm, let id):
            let local = try await machines.find(image.image)
            if let pulls {
                let id = try await pulls.pull(image, auth: auth, local: local)
                // Who pulls it is about to use it.
                await machines.markUsed(id)
                return id
            }
            if let id = local?.id ?? id { return id }
            throw ShimError(
                .notFound,
                "image \(image.image) is a machine's (\(decision.reason)), and it is not here: bring it with cri-shim image "
                    + "import --name \(image.image) …")
        case (.docker, _):
            try requireDocker(for: image.image)
            return try await docker.pull(image, auth: auth)
        }
    }

    /// Brings an image that nobody needs yet, and asks whether its name still means it.
    func prePull(_ image: CRI.ImageSpec) async throws -> String {
        let decision = try await choice.decide(image: image.image)
        guard decision.kind == .vm, let pulls else { return try await pull(image, auth: nil) }
        return try await pulls.pull(
            image, auth: nil, local: try await machines.find(image.image), isHurried: false)
    }

    func remove(_ image: CRI.ImageSpec) async throws {
        if try await machines.remove(image.image) { return }
        guard try await isDockers(image) else { return }
        try await docker.remove(image)
    }

    func fileSystems() async throws -> [CRI.FilesystemUsage] {
        let ours = try await machines.fileSystem()
        return try await docker.fileSystems() + (ours.map { [$0] } ?? [])
    }

    /// Whether Docker is to be asked for an image that is none of a machine's here. Who answers decides; only without an answer
    /// it matters what the image would be: one of a machine's is simply not here, and can be pulled. What is wanted for a pod
    /// of machines is taken for one: its registry may ask for credentials, which come with the pull.
    /// - Throws: `unavailable` when Docker does not answer, and nothing says that the image is a machine's.
    private func isDockers(_ image: CRI.ImageSpec) async throws -> Bool {
        if !dockerHealth().isReady {
            if image.runtimeHandler == RuntimeChoice.Kind.vm.rawValue { return false }
            if try await choice.decide(image: image.image).kind == .vm { return false }
        }
        try requireDocker(for: image.image)
        return true
    }

    private func requireDocker(for image: String) throws {
        let health = dockerHealth()
        guard !health.isReady else { return }
        throw ShimError(
            .unavailable,
            "\(image) is not among the VM images here, and Docker cannot be asked for it: \(health.message)")
    }
}
