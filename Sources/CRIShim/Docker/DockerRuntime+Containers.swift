import Docker
import Logging
import Proto
import Synchronization

extension DockerRuntime {
    func createContainer(_ creation: ContainerCreation) async throws -> String {
        try requireEngine()
        guard let holder = creation.sandbox.holder else {
            throw ShimError(
                .wrongState, "sandbox \(creation.sandbox.id) has lost its pause container: make a new sandbox")
        }
        let security = creation.config.linux?.securityContext
        if let options = security?.namespaceOptions, options.pid == .target, !options.targetId.isEmpty {
            guard try store.container(options.targetId).sandboxID == creation.sandbox.id else {
                throw ShimError(
                    .invalidArgument,
                    "container \(options.targetId), whose PID namespace was asked for, is in another pod")
            }
        }
        let reference = creation.config.image?.image ?? ""
        guard let image = try await client.inspectImageIfPresent(reference) else {
            throw ShimError(.notFound, "image \(reference) is not here: pull it first")
        }
        let profile = try await seccompProfile(
            SecurityProfileRecord(security?.seccomp, deprecatedPath: security?.seccompProfilePath ?? ""))
        let (request, record) = try ContainerMapping.request(
            .init(creation: creation, imageID: image.id, holder: holder, seccompProfile: profile), context: context())
        let name = DockerNames.container(
            record.name, attempt: record.attempt, in: creation.sandbox.record, unique: Identifiers.hex(12))
        let id = try await shielded { [self] in
            let id = try await client.createContainer(name: name, request)
            try await refresh(id)
            return id
        }
        if Task.isCancelled {
            // The caller never learns the id.
            try await shielded { [self] in
                try await client.removeContainer(id, force: true, volumes: true)
                try await refresh(id)
            }
            throw CancellationError()
        }
        return id
    }

    func startContainer(_ container: ContainerEntry) async throws {
        try requireEngine()
        try await shielded { [self] in
            do {
                try await client.startContainer(container.id)
            } catch {
                // What the engine noted of the failure becomes the container's status.
                try await refresh(container.id)
                throw ShimError(
                    .failed, "starting container \(container.record.name) failed: \(error)", cause: error)
            }
            try await refresh(container.id)
        }
    }

    func stopContainer(_ container: ContainerEntry, timeout: Int64) async throws {
        try requireEngine()
        do {
            if timeout == 0 {
                try await client.killContainer(container.id, signal: "SIGKILL")
                try await client.waitContainer(container.id, untilNotRunningWithin: .seconds(30))
            } else {
                try await client.stopContainer(container.id, timeout: .seconds(timeout))
            }
        } catch let error as DockerError
            where [.notFound, .notModified, .conflict].contains(error.code)
        {
            // gone, or not running
        }
        try await refresh(container.id)
    }

    func removeContainer(_ container: ContainerEntry) async throws {
        try requireEngine()
        try await shielded { [self] in
            do {
                try await client.removeContainer(container.id, force: true, volumes: true)
            } catch let error as DockerError where error.code == .notFound {
            }
            try await refresh(container.id)
        }
    }

    func updateResources(_ container: ContainerEntry, _ resources: CRI.LinuxContainerResources) async throws {
        try requireEngine()
        try ResourceMapping.refuseUnsupported(resources, what: "container \(container.record.name)")
        try await client.updateContainer(container.id, ResourceMapping.limits(resources))
        try await refresh(container.id)
    }

    func reopenLog(_ container: ContainerEntry) async throws {
        guard let pump = state.withLock({ $0.pumps[container.id] }) else { return }
        try await pump.reopen()
    }
}
