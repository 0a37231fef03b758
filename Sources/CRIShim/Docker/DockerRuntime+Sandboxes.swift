import Docker
import Logging
import NIOCore

extension DockerRuntime {
    /// Makes the pause container of a sandbox.
    /// - Parameter network: what the shim made for the sandbox; the containers join its namespace. nil, or one without a
    ///   namespace, leaves the network to Docker.
    func startSandbox(_ record: SandboxRecord, network: PodNetwork?) async throws -> SandboxHolder {
        try requireEngine()
        let enters = network?.namespace != nil
        guard !enters || isLocal else {
            throw ShimError(
                .unsupported,
                "containers cannot join sandbox \(record.metadata.name), whose network is on this host: the Docker Engine at "
                    + "\(client.endpoint) may be on another")
        }
        let profile = try await seccompProfile(record.security.seccomp)
        let context = try context()
        let image =
            enters
            ? PauseImage.Choice(reference: try await pause.builtIn(), builtIn: true) : try await pause.choose()
        let request = try SandboxMapping.request(
            record, image: image.reference, builtIn: image.builtIn, seccompProfile: profile, network: network,
            context: context)
        let holder = try await shielded { [self] in
            let id = try await client.createContainer(name: DockerNames.pause(record), request)
            do {
                try await start(id, of: record, enters: enters)
                let inspected = try await client.inspectContainer(id)
                guard inspected.state.running else {
                    throw ShimError(
                        .failed,
                        "the pause container of \(record.metadata.name) ended at once with \(inspected.state.exitCode) "
                            + inspected.state.error)
                }
                return SandboxHolder(
                    id: id, addresses: network?.addresses ?? Self.addresses(of: inspected),
                    process: isLocal ? inspected.state.pid : 0, hostsFile: inspected.hostsPath)
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

    func startsBeforeAddress() async -> Bool {
        guard let directory = info.engine?.rootDirectory, !directory.isEmpty else { return false }
        // An engine with a file system of its own (rootless, packaged apart) has its files elsewhere.
        return await PodHostsFile.canWrite(below: directory)
    }

    func announce(_ network: PodNetwork, of record: SandboxRecord, to holder: SandboxHolder) async throws {
        guard let own = SandboxMapping.ownName(record, network) else { return }
        try await PodHostsFile.append("\(own.address)\t\(own.name)", to: holder)
    }

    /// How long a pause program may take to enter the namespace: it does nothing else before.
    private static let entryDeadline = Duration.seconds(20)

    /// - Parameter enters: waits until the pause program says that it is in the namespace: nobody may join it earlier.
    private func start(_ id: String, of record: SandboxRecord, enters: Bool) async throws {
        guard enters else {
            try await client.startContainer(id)
            return
        }
        let stream = try await client.attachContainer(id, stdin: false, stdout: true, stderr: true, tty: false)
        let said: (entered: Bool, complaint: String)
        do {
            try await client.startContainer(id)
            said = try await withThrowingTaskGroup(of: (Bool, String).self) { group in
                group.addTask {
                    var complaint = ""
                    for try await frame in stream.frames {
                        if frame.stream != .stderr { return (true, "") }
                        complaint += String(decoding: frame.bytes.readableBytesView.prefix(1024), as: UTF8.self)
                    }
                    return (false, complaint.split(separator: "\n").joined(separator: "; "))
                }
                group.addTask {
                    try await Task.sleep(for: Self.entryDeadline)
                    return (false, "nothing was heard of it for \(Self.entryDeadline)")
                }
                defer { group.cancelAll() }
                return try await group.next()!
            }
        } catch {
            await stream.close()
            throw error
        }
        await stream.close()
        guard said.entered else {
            throw ShimError(
                .failed,
                "the pause container of \(record.metadata.name) did not enter the pod's network namespace: \(said.complaint)"
            )
        }
    }

    /// Makes the pause container of a living sandbox again after it died. The sandbox keeps its network and address;
    /// containers that were joined to the dead one are ended, as there is nothing left that they share.
    func restoreHolder(_ sandbox: SandboxEntry, network: PodNetwork?) async throws -> SandboxHolder {
        try requireEngine()
        try await shielded { [self] in
            for container in store.containers(inSandbox: sandbox.id)
            where container.runtime == name && container.phase == .running {
                try await stopContainer(container, timeout: 0)
            }
            try await removeSandbox(sandbox)
        }
        let holder = try await startSandbox(sandbox.record, network: network)
        try await refresh(holder.id)
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
        holderProcess = 0
    }
}
