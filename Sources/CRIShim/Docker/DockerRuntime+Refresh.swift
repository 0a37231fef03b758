import Docker
import Logging
import Proto
import Synchronization

extension DockerRuntime {
    /// Reads the engine's view of one of our containers and brings the store up to it.
    func refresh(_ id: String) async throws {
        try await serial.run(id) {
            do {
                try await apply(try await client.inspectContainer(id))
            } catch let error as DockerError where error.code == .notFound {
                try await forget(id)
            }
        }
    }

    private func apply(_ inspected: ContainerInspect) async throws {
        let labels = inspected.config?.labels ?? [:]
        guard labels[DockerLabels.instance] == root.instance, let sandbox = labels[DockerLabels.sandbox] else { return }
        switch labels[DockerLabels.kind] {
        case DockerLabels.Kind.pause:
            try store.updateSandbox(sandbox) { entry in
                guard entry.record.runtime == name, entry.holder == nil || entry.holder == inspected.id else { return }
                entry.holder = inspected.id
                entry.holderRuns = inspected.state.running
                entry.holderProcess = isLocal && inspected.state.running ? inspected.state.pid : 0
                // A reported address stays while the sandbox is ready.
                let addresses = Self.addresses(of: inspected)
                if !addresses.isEmpty, entry.record.hasOwnNetwork != true { entry.addresses = addresses }
            }
        case DockerLabels.Kind.container:
            let entry = try entry(of: inspected, labels: labels, sandbox: sandbox)
            let pump = entry.phase == .created ? nil : pump(for: entry)
            if entry.phase == .exited, let pump {
                // An ended container is shown once its log is whole.
                if await !pump.finished(within: .seconds(2)) {
                    logger.warning(
                        "a container's log is late; its end is shown without", metadata: ["container": "\(entry.id)"])
                }
            }
            try store.put(entry)
        default: break
        }
    }

    /// A container that is no more.
    private func forget(_ id: String) async throws {
        let pump = state.withLock { state in
            state.meters[id] = nil
            state.outOfMemory[id] = nil
            return state.pumps.removeValue(forKey: id)
        }
        pump?.cancel()
        store.removeContainer(id)
        for sandbox in store.sandboxes(matching: nil) where sandbox.holder == id {
            try store.updateSandbox(sandbox.id) { $0.forget(holder: id) }
        }
        try await root.removeContainer(id)
    }

    func entry(
        of inspected: ContainerInspect, labels: [String: String], sandbox: String
    ) throws -> ContainerEntry {
        let record = try RecordCoding.decode(
            ContainerRecord.self, schema: ContainerRecord.schema, from: Array((labels[DockerLabels.config] ?? "").utf8),
            place: "label \(DockerLabels.config) of Docker container \(inspected.id)")
        var entry = ContainerEntry(id: inspected.id, sandboxID: sandbox, runtime: name, record: record)
        entry.createdAt = Timestamps.parse(inspected.created)
        entry.resources = inspected.hostConfig.map(ResourceMapping.resources)
        let state = inspected.state
        entry.startedAt = Timestamps.parse(state.startedAt)
        switch state.status {
        case _ where state.running || state.paused || state.restarting:
            entry.phase = .running
            entry.processID = state.pid
        case "created" where state.error.isEmpty:
            entry.phase = .created
        case "created":
            // The start was tried and failed: the CRI shows that as an end.
            entry.phase = .exited
            entry.startedAt = 0
            entry.finishedAt = max(Timestamps.parse(state.finishedAt), entry.createdAt)
            entry.exitCode = 128
            entry.reason = "StartError"
            entry.message = state.error
        default:
            entry.phase = .exited
            entry.finishedAt = max(Timestamps.parse(state.finishedAt), entry.startedAt)
            entry.exitCode = Int32(truncatingIfNeeded: state.exitCode)
            entry.reason = state.oomKilled ? "OOMKilled" : entry.exitCode == 0 ? "Completed" : "Error"
            entry.message = state.error
        }
        return entry
    }

    /// The task that brings a container's output into its log file; nil for one that keeps no log.
    private func pump(for container: ContainerEntry) -> LogPump? {
        guard !container.record.logPath.isEmpty else { return nil }
        let (pump, isNew) = state.withLock { state in
            if let pump = state.pumps[container.id] { return (pump, false) }
            let pump = LogPump(
                container: container.id, path: container.record.logPath, tty: container.record.tty,
                directory: root.containerDirectory(container.id), client: client, logger: logger)
            state.pumps[container.id] = pump
            return (pump, true)
        }
        if isNew { jobsIn.yield { await pump.run() } }
        return pump
    }
}
