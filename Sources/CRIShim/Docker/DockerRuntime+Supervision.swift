import Docker
import Logging
import Synchronization
import Waiting

extension DockerRuntime {
    /// How often everything is listed again, events or not.
    static let relistInterval = Duration.seconds(60)

    /// Keeps the store up to date while this runs: connects to the engine, follows its events, and connects again whenever
    /// it goes away. Owns the log pumps. Returns when cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            group.addTask { [self] in await supervise() }
            for await job in jobs { group.addTask(operation: job) }
            group.cancelAll()
        }
    }

    private func supervise() async {
        var pause = Duration.milliseconds(250)
        var isReported = false
        while !Task.isCancelled {
            do {
                try await connectAndFollow {
                    pause = .milliseconds(250); isReported = false
                }
                throw ShimError(.unavailable, "the Docker Engine at \(client.endpoint) ended its event stream")
            } catch {
                if Task.isCancelled { return }
                let message = "\(error) (--docker-host names another engine)"
                state.withLock {
                    $0.health = RuntimeHealth(isReady: false, reason: "DockerUnreachable", message: message)
                }
                // Once per absence, not once per try; Status has the newest cause.
                if !isReported { logger.error("\(message)") }
                isReported = true
                settled.open()
            }
            do { try await Task.sleep(for: pause) } catch { return }
            pause = min(pause * 2, .seconds(5))
        }
    }

    private func connectAndFollow(connected: () -> Void) async throws {
        try await learn()
        // Subscribed before listing: what happens in between is seen twice rather than never.
        let events = try await client.events(
            filters: ["type": ["container"], "label": ["\(DockerLabels.instance)=\(root.instance)"]])
        try await relist(everything: true)
        store.becomeComplete(name)
        state.withLock { $0.health = .ready }
        settled.open()
        connected()
        logger.info(
            "docker engine connected",
            metadata: ["endpoint": "\(client.endpoint)", "version": "\(info.engine?.version ?? "")"])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                try await withThrowingDiscardingTaskGroup { changes in
                    for try await event in events {
                        guard Self.matters(event.action) else { continue }
                        if event.action == "oom" { state.withLock { $0.outOfMemory[event.actor.id, default: 0] += 1 } }
                        changes.addTask { [self] in await refreshNoted(event.actor.id) }
                    }
                }
            }
            group.addTask { [self] in
                while true {
                    try await Task.sleep(for: Self.relistInterval)
                    try await relist(everything: false)
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private static func matters(_ action: String) -> Bool {
        ["create", "start", "die", "destroy", "update", "oom", "pause", "unpause", "stop", "kill"].contains(action)
            && action != "kill"
    }

    private func refreshNoted(_ id: String) async {
        do {
            try await refresh(id)
        } catch {
            if Task.isCancelled { return }
            logger.warning(
                "a container's change could not be read; the next listing will",
                metadata: ["container": "\(id)", "error": "\(error)"])
        }
    }

    /// The engine's facts.
    private func learn() async throws {
        let version = try await client.version()
        let facts = try await client.info()
        info.engine = RuntimeInfo.Engine(
            version: version.version, apiVersion: version.apiVersion, operatingSystem: facts.operatingSystem ?? "",
            architecture: facts.architecture ?? "", kernel: facts.kernelVersion ?? "",
            cgroupDriver: facts.cgroupDriver ?? "", cgroupVersion: facts.cgroupVersion ?? "",
            rootDirectory: facts.dockerRootDir ?? "", storageDriver: facts.driver ?? "",
            cpuCount: facts.ncpu ?? 0, memoryBytes: UInt64(max(0, facts.memTotal ?? 0)),
            securityOptions: facts.securityOptions ?? [])
    }

    /// Compares the engine's list with the store's.
    /// - Parameter everything: looks at every container, not only at those whose state differs.
    private func relist(everything: Bool) async throws {
        let listed = try await client.listContainers(
            all: true, labels: ["\(DockerLabels.instance)=\(root.instance)"])
        var changed: [String] = []
        var present: Set<String> = []
        for summary in listed {
            present.insert(summary.id)
            if try await removeIfOrphan(summary) { continue }
            if everything || differs(summary) { changed.append(summary.id) }
        }
        for container in store.containers(matching: nil) where container.runtime == name {
            if !present.contains(container.id) { changed.append(container.id) }
        }
        for sandbox in store.sandboxes(matching: nil) where sandbox.record.runtime == name {
            if let holder = sandbox.holder, !present.contains(holder) { changed.append(holder) }
        }
        await withDiscardingTaskGroup { group in
            // A few at a time: an engine with hundreds of containers stays responsive.
            let lanes = 8
            for lane in 0..<min(lanes, changed.count) {
                let share = stride(from: lane, to: changed.count, by: lanes).map { changed[$0] }
                group.addTask { [self] in
                    for id in share { await refreshNoted(id) }
                }
            }
        }
    }

    private func differs(_ summary: ContainerSummary) -> Bool {
        let runs = summary.state == "running" || summary.state == "paused" || summary.state == "restarting"
        if summary.labels[DockerLabels.kind] == DockerLabels.Kind.pause {
            return store.sandboxes(matching: nil).first { $0.holder == summary.id }?.holderRuns != runs
        }
        guard let known = store.containers(matching: nil).first(where: { $0.id == summary.id }) else { return true }
        switch known.phase {
        case .created: return summary.state != "created"
        case .running: return !runs
        case .exited: return runs
        }
    }

    /// What a crash left: our objects whose sandbox nobody knows, second pause containers, helpers.
    private func removeIfOrphan(_ summary: ContainerSummary) async throws -> Bool {
        let sandbox = summary.labels[DockerLabels.sandbox] ?? ""
        let kind = summary.labels[DockerLabels.kind]
        // A helper lives for a moment; one that has ended, or was never started, is left over.
        let isOrphan: Bool
        if kind == DockerLabels.Kind.helper {
            isOrphan = summary.state != "running" && !isYoung(summary)
        } else {
            // A sandbox that is being made or removed is not in the store, but its record is on disk.
            let unknown = try store.sandboxIfPresent(sandbox) == nil
            isOrphan = unknown ? try await !root.hasRecord(of: sandbox) : false
        }
        guard isOrphan else { return false }
        do {
            try await client.removeContainer(summary.id, force: true, volumes: true)
        } catch let error as DockerError where error.code == .notFound || error.code == .conflict {
        }
        logger.warning(
            "removed a leftover container", metadata: ["container": "\(summary.id)", "kind": "\(kind ?? "")"])
        return true
    }

    private func isYoung(_ summary: ContainerSummary) -> Bool {
        Timestamps.now() - summary.created * 1_000_000_000 < 60_000_000_000
    }
}
