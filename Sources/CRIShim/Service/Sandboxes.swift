import Logging
import Proto

/// The life of sandboxes: record, network, holder, store, in an order that a crash at any point leaves explainable.
final class Sandboxes: Sendable {
    let store: StateStore
    let root: RootDirectory
    let runtimes: Runtimes
    let networks: any SandboxNetworks
    let slots: VMSlots
    private let names = NameReservations()
    /// Changes to one sandbox do not overlap.
    let serial = KeyedSerial()
    let logger: Logger

    init(
        store: StateStore, root: RootDirectory, runtimes: Runtimes, networks: any SandboxNetworks, slots: VMSlots,
        logger: Logger
    ) {
        self.store = store
        self.root = root
        self.runtimes = runtimes
        self.networks = networks
        self.slots = slots
        self.logger = logger
    }

    /// Makes and starts a sandbox. A second request with the name, namespace, uid and attempt of an existing sandbox is
    /// refused, as containerd does: the caller finds the first in the list.
    /// - Returns: its id.
    func run(_ config: CRI.PodSandboxConfig, handler: String) async throws -> String {
        let runtime = try runtimes.holder(handler: handler)
        var record = try SandboxRecord(config, handler: handler, id: Identifiers.sandbox())
        record.runtime = runtime?.name
        // A pod of the handler `vm` has its network from us; whoever joins it later joins that. With CNI plugins, so has
        // every pod whose containers can join it.
        if handler == VMRuntime.handler {
            record.hasOwnNetwork = true
            if runtimes.machines?.options.givesAddresses == true { record.hasGuestAddress = true }
        } else if runtime?.joinsHostNamespaces == true, try await networks.wantsEveryPod() {
            record.hasOwnNetwork = true
        }
        try names.reserve(record.reservation, what: "sandbox \(record.reservation)") {
            let existing = store.sandboxes(matching: nil).first { $0.record.reservation == record.reservation }
            guard let existing else { return }
            throw ShimError(
                .alreadyExists,
                "sandbox \(record.reservation) exists as \(existing.id): remove it, or use another attempt")
        }
        defer { names.release(record.reservation) }

        // Nothing is noted of a sandbox that cannot come about.
        let health = runtime?.health ?? (handler == VMRuntime.handler ? runtimes.machines?.health : nil)
        if let health, !health.isReady { throw ShimError(.unavailable, health.message) }
        try slots.reserve(for: record)
        do {
            // From here on a crash leaves a record that is listed as not ready.
            try await root.save(record)
            if !record.logDirectory.isEmpty {
                let directory = record.logDirectory
                try await RootDirectory.offload { try RootDirectory.makeDirectory(directory, mode: 0o755) }
            }
            var entry = SandboxEntry(record: record)
            let (network, holder) = try await make(record, runtime)
            if let network { entry.take(network) }
            if let holder { entry.take(holder) }
            try Task.checkCancellation()
            record.phase = .ready
            entry.record = record
            try await root.save(record)
            try store.put(entry)
        } catch {
            await undo(record, runtime, after: error)
            throw error
        }
        logger.info("sandbox runs", metadata: metadata(record))
        return record.id
    }

    /// Makes network and holder: side by side where the holder can enter a namespace that is still being connected.
    private func make(
        _ record: SandboxRecord, _ runtime: (any SandboxRuntime)?
    ) async throws -> (PodNetwork?, SandboxHolder?) {
        guard record.hasOwnNetwork == true else { return (nil, try await runtime?.startSandbox(record, network: nil)) }
        guard let runtime, await runtime.startsBeforeAddress() else {
            let network = try await networks.setUp(record)
            return (network, try await runtime?.startSandbox(record, network: network))
        }
        let (drafts, draft) = AsyncStream<PodNetwork>.makeStream(bufferingPolicy: .bufferingNewest(1))
        async let connected = {
            defer { draft.finish() }
            return try await networks.setUp(record) { draft.yield($0) }
        }()
        guard let begun = await drafts.first(where: { _ in true }) else {
            let network = try await connected
            return (network, try await runtime.startSandbox(record, network: network))
        }
        let holder: SandboxHolder
        do {
            holder = try await runtime.startSandbox(record, network: begun)
        } catch {
            // It fails as well when there is nothing left to enter: why, the network knows.
            _ = try await connected
            throw error
        }
        let network = try await connected
        if begun.addresses.isEmpty { try await runtime.announce(network, of: record, to: holder) }
        return (network, holder)
    }

    /// Removes what a failed ``run(_:handler:)`` made. What cannot be removed stays visible as a sandbox that is not ready.
    private func undo(_ record: SandboxRecord, _ runtime: (any SandboxRuntime)?, after error: any Error) async {
        var record = record
        record.phase = .creating
        let entry = SandboxEntry(record: record)
        // The caller may be cancelled; the clean-up is not.
        let cleanUp = Task { [self] in
            try await runtime?.removeSandbox(entry)
            if entry.record.hasOwnNetwork == true { try await networks.tearDown(sandbox: entry.id) }
            try await root.removeSandbox(entry.id)
        }
        do {
            try await cleanUp.value
        } catch let cleanUpError {
            logger.error(
                "a sandbox that could not be made could not be removed either; it stays listed as not ready",
                metadata: metadata(record).merging(["error": "\(cleanUpError)"]) { $1 })
            do { try store.put(entry) } catch { logger.error("listing it failed", metadata: ["error": "\(error)"]) }
        }
        slots.releaseReservation(ofSandbox: record.id)
        logger.warning("sandbox not made", metadata: metadata(record).merging(["error": "\(error)"]) { $1 })
    }

    /// Ends the sandbox's containers, its holder and its network. Unknown or already stopped: nothing to do, and done again.
    func stop(_ id: String) async throws {
        guard let found = try store.sandboxIfPresent(id) else { return }
        try store.requireKnown(found)
        try await serial.run(found.id) {
            guard let sandbox = try store.sandboxIfPresent(found.id) else { return }
            try await halt(sandbox)
        }
    }

    private func halt(_ sandbox: SandboxEntry) async throws {
        var record = sandbox.record
        let wasStopped = record.phase == .stopped
        // First: a holder that dies now is not made again.
        if !wasStopped { try store.updateSandbox(sandbox.id) { $0.isStopping = true } }
        do {
            try await forEachContainer(of: sandbox) { runtime, container in
                try await runtime.stopContainer(container, timeout: 0)
            }
            if let holder = try runtimes.holder(of: sandbox) { try await holder.stopSandbox(sandbox) }
            if record.hasOwnNetwork == true { try await networks.tearDown(sandbox: sandbox.id) }
        } catch {
            if !wasStopped { try store.updateSandbox(sandbox.id) { $0.isStopping = false } }
            throw error
        }
        slots.releaseReservation(ofSandbox: sandbox.id)
        guard !wasStopped else { return }
        record.phase = .stopped
        try await root.save(record)
        try store.updateSandbox(sandbox.id) { [record] in
            $0.record = record
            $0.ownNamespace = nil
        }
        logger.info("sandbox stopped", metadata: metadata(record))
    }

    /// Stops and removes the sandbox, its containers and its record. Unknown: nothing to do.
    func remove(_ id: String) async throws {
        guard let found = try store.sandboxIfPresent(id) else { return }
        try store.requireKnown(found)
        try await serial.run(found.id) {
            guard let sandbox = try store.sandboxIfPresent(found.id) else { return }
            if sandbox.record.phase != .stopped { try await halt(sandbox) }
            try await forEachContainer(of: sandbox) { try await $0.removeContainer($1) }
            if let holder = try runtimes.holder(of: sandbox) { try await holder.removeSandbox(sandbox) }
            // Also of one that was stopped because a restart of the host had ended its network.
            if sandbox.record.hasOwnNetwork == true { try await networks.tearDown(sandbox: sandbox.id) }
            // Last: until here a crash leaves a sandbox that can be removed again.
            try await root.removeSandbox(sandbox.id)
            store.removeSandbox(sandbox.id)
            logger.info("sandbox removed", metadata: metadata(sandbox.record))
        }
    }

    /// All containers at once; the first error is thrown after all were tried.
    private func forEachContainer(
        of sandbox: SandboxEntry,
        _ body: @escaping @Sendable (any ContainerRuntime, ContainerEntry) async throws -> Void
    ) async throws {
        let errors = await withTaskGroup(of: (any Error)?.self) { group in
            for container in store.containers(inSandbox: sandbox.id) {
                group.addTask { [runtimes] in
                    do {
                        try await body(try runtimes.of(container), container)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            return await group.reduce(into: [any Error]()) { if let error = $1 { $0.append(error) } }
        }
        if let first = errors.first { throw first }
    }

    func metadata(_ record: SandboxRecord) -> Logger.Metadata {
        ["sandbox": "\(record.id)", "pod": "\(record.metadata.namespace)/\(record.metadata.name)"]
    }
}
