import Logging
import Proto

/// The life of sandboxes: record, runtime, store, in an order that a crash at any point leaves explainable.
final class Sandboxes: Sendable {
    let store: StateStore
    private let root: RootDirectory
    private let runtimes: Runtimes
    private let names = NameReservations()
    /// Changes to one sandbox do not overlap.
    private let serial = KeyedSerial()
    private let logger: Logger

    init(store: StateStore, root: RootDirectory, runtimes: Runtimes, logger: Logger) {
        self.store = store
        self.root = root
        self.runtimes = runtimes
        self.logger = logger
    }

    /// Makes and starts a sandbox. A second request with the name, namespace, uid and attempt of an existing sandbox is
    /// refused, as containerd does: the caller finds the first in the list.
    /// - Returns: its id.
    func run(_ config: CRI.PodSandboxConfig, handler: String) async throws -> String {
        let runtime = try runtimes.forSandbox(handler: handler)
        var record = try SandboxRecord(config, handler: handler, id: Identifiers.sandbox())
        record.runtime = runtime?.name
        try names.reserve(record.reservation, what: "sandbox \(record.reservation)") {
            let existing = store.sandboxes(matching: nil).first { $0.record.reservation == record.reservation }
            guard let existing else { return }
            throw ShimError(
                .alreadyExists,
                "sandbox \(record.reservation) exists as \(existing.id): remove it, or use another attempt")
        }
        defer { names.release(record.reservation) }

        // Nothing is noted of a sandbox that cannot come about.
        if let health = runtime?.health, !health.isReady { throw ShimError(.unavailable, health.message) }
        // From here on a crash leaves a record that is listed as not ready.
        try await root.save(record)
        do {
            if !record.logDirectory.isEmpty {
                let directory = record.logDirectory
                try await RootDirectory.offload { try RootDirectory.makeDirectory(directory, mode: 0o755) }
            }
            let holder = try await runtime?.startSandbox(record)
            try Task.checkCancellation()
            record.phase = .ready
            try await root.save(record)
            try store.put(
                SandboxEntry(
                    record: record, holder: holder?.id, holderRuns: holder != nil, addresses: holder?.addresses ?? []))
        } catch {
            await undo(record, runtime, after: error)
            throw error
        }
        logger.info("sandbox runs", metadata: metadata(record))
        return record.id
    }

    /// Removes what a failed ``run(_:handler:)`` made. What cannot be removed stays visible as a sandbox that is not ready.
    private func undo(_ record: SandboxRecord, _ runtime: (any ContainerRuntime)?, after error: any Error) async {
        var record = record
        record.phase = .creating
        let entry = SandboxEntry(record: record)
        // The caller may be cancelled; the clean-up is not.
        let cleanUp = Task { [root] in
            try await runtime?.removeSandbox(entry)
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
        logger.warning("sandbox not made", metadata: metadata(record).merging(["error": "\(error)"]) { $1 })
    }

    /// Ends the sandbox's containers and its holder. Unknown or already stopped: nothing to do, and done again.
    func stop(_ id: String) async throws {
        try store.requireComplete()
        guard let found = try store.sandboxIfPresent(id) else { return }
        try await serial.run(found.id) {
            guard let sandbox = try store.sandboxIfPresent(found.id) else { return }
            try await halt(sandbox)
        }
    }

    private func halt(_ sandbox: SandboxEntry) async throws {
        try await forEachContainer(of: sandbox) { runtime, container in
            try await runtime.stopContainer(container, timeout: 0)
        }
        if let runtime = try runtimes.of(sandbox) { try await runtime.stopSandbox(sandbox) }
        var record = sandbox.record
        guard record.phase != .stopped else { return }
        record.phase = .stopped
        try await root.save(record)
        try store.updateSandbox(sandbox.id) { [record] in $0.record = record }
        logger.info("sandbox stopped", metadata: metadata(record))
    }

    /// Stops and removes the sandbox, its containers and its record. Unknown: nothing to do.
    func remove(_ id: String) async throws {
        try store.requireComplete()
        guard let found = try store.sandboxIfPresent(id) else { return }
        try await serial.run(found.id) {
            guard let sandbox = try store.sandboxIfPresent(found.id) else { return }
            if sandbox.record.phase != .stopped { try await halt(sandbox) }
            try await forEachContainer(of: sandbox) { try await $0.removeContainer($1) }
            if let runtime = try runtimes.of(sandbox) { try await runtime.removeSandbox(sandbox) }
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

    /// Gives a record-only sandbox the holder that its first container needs.
    func holder(for id: String) async throws -> SandboxEntry {
        try await serial.run(id) {
            let sandbox = try store.sandbox(id)
            guard sandbox.isReady else {
                throw ShimError(.wrongState, "sandbox \(id) is not ready: containers can only be made in one that is")
            }
            guard sandbox.record.runtime == nil else { return sandbox }
            guard let runtime = try runtimes.forSandbox(handler: sandbox.record.handler) else {
                throw ShimError(
                    .unavailable, "sandbox \(id) needs a container runtime, and none answers: start the Docker Engine")
            }
            var record = sandbox.record
            let holder = try await runtime.startSandbox(record)
            record.runtime = runtime.name
            try await root.save(record)
            let entry = SandboxEntry(record: record, holder: holder.id, holderRuns: true, addresses: holder.addresses)
            try store.put(entry)
            return entry
        }
    }

    private func metadata(_ record: SandboxRecord) -> Logger.Metadata {
        ["sandbox": "\(record.id)", "pod": "\(record.metadata.namespace)/\(record.metadata.name)"]
    }
}
