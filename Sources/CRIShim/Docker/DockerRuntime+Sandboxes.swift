import Docker
import Logging

extension DockerRuntime {
    func startSandbox(_ record: SandboxRecord) async throws -> SandboxHolder {
        try requireEngine()
        let profile = try await seccompProfile(record.security.seccomp)
        let context = try context()
        let image = try await pause.choose()
        let request = try SandboxMapping.request(
            record, image: image.reference, builtIn: image.builtIn, seccompProfile: profile, context: context)
        let holder = try await shielded { [self] in
            let id = try await client.createContainer(name: DockerNames.pause(record), request)
            do {
                try await client.startContainer(id)
                let inspected = try await client.inspectContainer(id)
                guard inspected.state.running else {
                    throw ShimError(
                        .failed,
                        "the pause container of \(record.metadata.name) ended at once with \(inspected.state.exitCode) "
                            + inspected.state.error)
                }
                return SandboxHolder(id: id, addresses: Self.addresses(of: inspected))
            } catch {
                await discard(id)
                throw error
            }
        }
        if Task.isCancelled {
            try await shielded { [self] in await discard(holder.id) }
            throw CancellationError()
        }
        return holder
    }

    /// Removes a container nobody has heard of. What fails is left to the clean-up at the next start.
    func discard(_ id: String) async {
        do {
            try await client.removeContainer(id, force: true, volumes: true)
        } catch let error as DockerError where error.code == .notFound {
        } catch {
            logger.warning(
                "a half-made container could not be removed now; the next start will",
                metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }

    func stopSandbox(_ sandbox: SandboxEntry) async throws {
        for id in try await pauses(of: sandbox) {
            do {
                try await client.killContainer(id, signal: "SIGKILL")
            } catch let error as DockerError where error.code == .notFound || error.code == .conflict {
                // gone, or not running
            }
            try await client.waitContainer(id, untilNotRunningWithin: .seconds(10))
            try await refresh(id)
        }
    }

    func removeSandbox(_ sandbox: SandboxEntry) async throws {
        for id in try await pauses(of: sandbox) {
            do {
                try await client.removeContainer(id, force: true, volumes: true)
            } catch let error as DockerError where error.code == .notFound {
            }
            try store.updateSandbox(sandbox.id) { $0.forget(holder: id) }
        }
    }

    /// The sandbox's pause containers, also those that a crash kept from being noted.
    private func pauses(of sandbox: SandboxEntry) async throws -> [String] {
        try requireEngine()
        return try await client.listContainers(
            all: true,
            labels: [
                "\(DockerLabels.instance)=\(root.instance)", "\(DockerLabels.sandbox)=\(sandbox.id)",
                "\(DockerLabels.kind)=\(DockerLabels.Kind.pause)",
            ]
        ).map(\.id)
    }

    static func addresses(of inspected: ContainerInspect) -> [String] {
        // A sandbox on the host's network has no address of its own.
        guard inspected.hostConfig?.networkMode != "host" else { return [] }
        var addresses: [String] = []
        for (_, network) in (inspected.networkSettings?.networks ?? [:]).sorted(by: { $0.key < $1.key }) {
            for address in [network.ipAddress, network.globalIPv6Address] where !(address ?? "").isEmpty {
                addresses.append(address!)
            }
        }
        return addresses
    }
}

extension SandboxEntry {
    mutating func forget(holder id: String) {
        guard holder == id else { return }
        holder = nil
        holderRuns = false
    }
}
