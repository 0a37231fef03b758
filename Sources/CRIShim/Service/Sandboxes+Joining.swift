import Logging
import Proto

/// What a sandbox needs before a container of some runtime can join it.
extension Sandboxes {
    /// Gives the sandbox what the runtime's containers need and it does not have yet: a holder, or just a network.
    func join(_ id: String, by runtime: any ContainerRuntime) async throws -> SandboxEntry {
        try await serial.run(id) {
            let sandbox = try store.sandbox(id)
            guard sandbox.isReady, !sandbox.isStopping else {
                throw ShimError(.wrongState, "sandbox \(id) is not ready: containers can only be made in one that is")
            }
            guard let holder = runtime as? any SandboxRuntime else { return try await network(for: sandbox) }
            guard !sandbox.holderRuns else { return sandbox }
            if sandbox.record.runtime == nil { return try await hold(sandbox, by: holder) }
            return try await holdAgain(sandbox)
        }
    }

    /// The first container of a sandbox that nobody holds.
    private func hold(_ sandbox: SandboxEntry, by runtime: any SandboxRuntime) async throws -> SandboxEntry {
        guard runtime.health.isReady else {
            throw ShimError(
                .unavailable,
                "sandbox \(sandbox.id) needs the container runtime \(runtime.name): \(runtime.health.message)")
        }
        var record = sandbox.record
        let holder = try await runtime.startSandbox(record, network: try await ownNetwork(of: sandbox))
        record.runtime = runtime.name
        do {
            try await root.save(record)
        } catch {
            try await runtime.removeSandbox(SandboxEntry(record: record))
            throw error
        }
        var entry = sandbox
        entry.record = record
        entry.take(holder)
        try store.put(entry)
        return entry
    }

    private func ownNetwork(of sandbox: SandboxEntry) async throws -> PodNetwork? {
        sandbox.record.hasOwnNetwork == true ? try await networks.network(of: sandbox.id) : nil
    }

    /// A machine needs the pod's network and nobody to hold it.
    private func network(for sandbox: SandboxEntry) async throws -> SandboxEntry {
        if sandbox.record.hasOwnNetwork == true { return sandbox }
        if sandbox.record.runtime != nil {
            guard sandbox.record.namespaces.network == 2 || sandbox.namespace != nil else {
                throw ShimError(
                    .unsupported,
                    "the network of sandbox \(sandbox.id) cannot be reached from here, so no virtual machine can join it: use "
                        + "the runtime handler vm for the pod")
            }
            return sandbox
        }
        var record = sandbox.record
        record.hasOwnNetwork = true
        // First: what a crash leaves is found by it.
        try await root.save(record)
        var entry = sandbox
        do {
            entry.take(try await networks.setUp(record))
        } catch {
            try await root.save(sandbox.record)
            throw error
        }
        entry.record = record
        try store.put(entry)
        return entry
    }

    // MARK: Holders that died

    /// Makes dead holders again for sandboxes in which a machine lives, as long as this runs. Their containers have ended
    /// with them.
    func keepHolders() async {
        await withDiscardingTaskGroup { group in
            for await id in store.holderLosses {
                group.addTask { [self] in await restoreHolder(of: id) }
            }
        }
    }

    private func restoreHolder(of id: String) async {
        var pause = Duration.milliseconds(200)
        while !Task.isCancelled {
            do {
                return try await serial.run(id) {
                    guard let sandbox = try store.sandboxIfPresent(id), sandbox.needsHolderAgain else { return }
                    _ = try await holdAgain(sandbox)
                }
            } catch {
                logger.warning(
                    "a pod's pause container could not be made again yet",
                    metadata: ["sandbox": "\(id)", "error": "\(error)"])
            }
            do { try await Task.sleep(for: pause) } catch { return }
            pause = min(pause * 2, .seconds(30))
        }
    }

    /// Under the sandbox's key.
    private func holdAgain(_ sandbox: SandboxEntry) async throws -> SandboxEntry {
        guard let runtime = try runtimes.holder(of: sandbox) else { return sandbox }
        guard runtime.health.isReady else { throw ShimError(.unavailable, runtime.health.message) }
        let holder = try await runtime.restoreHolder(sandbox, network: try await ownNetwork(of: sandbox))
        try store.updateSandbox(sandbox.id) { $0.take(holder) }
        logger.notice("a pod's pause container was made again", metadata: metadata(sandbox.record))
        return try store.sandbox(sandbox.id)
    }

    // MARK: Ports

    /// Who carries connections to a port of the sandbox: the machine that declares it, else what holds the sandbox.
    func forwarder(_ id: String, port: Int) throws -> any ContainerRuntime {
        let sandbox = try store.sandbox(id)
        if let machines = runtimes.machines, machines.declares(port, inSandbox: sandbox.id) { return machines }
        if let holder = try runtimes.holder(of: sandbox), sandbox.holderRuns { return holder }
        if let machines = runtimes.machines, !sandbox.machines.isEmpty { return machines }
        throw ShimError(.wrongState, "nothing runs in sandbox \(sandbox.id): no port of it can be reached")
    }

    // MARK: Restart

    /// Brings the networks of sandboxes that were there before this program back into the store. Before machines are
    /// adopted.
    func adoptNetworks() async throws {
        let sandboxes = store.sandboxes(matching: nil)
        try await networks.adopt(known: Set(sandboxes.map(\.id)))
        for sandbox in sandboxes where sandbox.record.hasOwnNetwork == true && sandbox.record.phase == .ready {
            if let network = try await networks.network(of: sandbox.id) {
                try store.updateSandbox(sandbox.id) { $0.take(network) }
                continue
            }
            // The host was restarted: nothing of the pod can live.
            var record = sandbox.record
            record.phase = .stopped
            try await root.save(record)
            try store.updateSandbox(sandbox.id) { [record] in $0.record = record }
            logger.warning("a sandbox's network is gone; it is not ready any more", metadata: metadata(record))
        }
    }
}

extension SandboxEntry {
    mutating func take(_ network: PodNetwork) {
        ownNamespace = network.namespace
        addresses = network.addresses
    }

    mutating func take(_ holder: SandboxHolder) {
        self.holder = holder.id
        holderRuns = true
        holderProcess = holder.process
        if record.hasOwnNetwork != true { addresses = holder.addresses }
    }
}
