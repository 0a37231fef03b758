import HostFiles
import Logging
import Processes
import Synchronization
import VZEngine
import Waiting

extension VMRuntime {
    /// How long a machine's processes may outlive its supervisor before they are killed, and then before its end is shown
    /// all the same.
    private static let leftoverGrace = Duration.seconds(5)
    /// How long after its supervisor was killed a machine's end is waited for: the leftovers' time, and what a busy host takes
    /// to hear of it and write it down.
    static let killLimit = Duration.seconds(30)

    /// Its supervisor has ended: finds out how, clears up, and shows it.
    func conclude(_ machine: ManagedMachine) async {
        let bundle = machine.bundle
        let (record, words) = await lastWords(of: machine)
        if !words.isEmpty { logger.notice("a supervisor's last words: \(words)", metadata: meta(machine)) }
        let isClean = await outlive(machine)
        // A disk that is kept can be read, and committed, until its container is removed.
        if isClean, !machine.config.keepsDisk { await images.ended(machine.config) }
        do {
            try await RootDirectory.offload {
                // Said once, said for ever: whoever starts after us reads the same.
                if try RootDirectory.read(bundle.exit) == nil { try bundle.write(record, to: bundle.exit) }
                if isClean, !machine.config.keepsDisk { try Self.dropDisks(of: machine.config, in: bundle) }
                if isClean { try RootDirectory.removeTree(bundle.runDirectory) }
            }
        } catch {
            if !machine.state.withLock({ $0.isRemoved }) {
                logger.error("clearing up after a machine failed", metadata: meta(machine, ["error": "\(error)"]))
            }
        }
        // Before its end is seen: who waits for it may take the slot at once.
        if isClean { await release(machine.id) }
        noteRefusal(record, of: machine)
        show(record, of: machine)
        machine.ended.open()
        if !isClean { await waitForever(machine) }
        machine.gone.open()
    }

    /// How it ended, and what its supervisor's log says last when it left no record of that.
    private func lastWords(of machine: ManagedMachine) async -> (ExitRecord, String) {
        let bundle = machine.bundle
        do {
            let (record, words) = try await RootDirectory.offload {
                let record = try bundle.readExit()
                let lines =
                    record == nil ? HostFileKinds.tail(bundle.supervisorLog).split(separator: "\n").suffix(3) : []
                return (record, lines.joined(separator: "; "))
            }
            return (record ?? verdict(on: machine, words), words)
        } catch {
            return (verdict(on: machine, "\(error)"), "\(error)")
        }
    }

    /// What the end is when no word was left.
    private func verdict(on machine: ManagedMachine, _ words: String) -> ExitRecord {
        let (given, launch, status, end) = machine.state.withLock {
            ($0.verdict, $0.launch, $0.status, $0.supervisorEnd)
        }
        if let given { return given }
        let startedAt = status?.startedAt ?? 0
        if let launch, launch.bootID != SystemBoot.id {
            return ExitRecord(
                exitCode: 255, reason: "HostRestarted", message: "the host was restarted while the machine ran",
                startedAt: startedAt, finishedAt: Timestamps.now())
        }
        let how = end.map { " (\($0))" } ?? ""
        // Ended before it ran, with us looking: that is a start that failed, and its log says why.
        if startedAt == 0, end != nil {
            return startError("the machine's supervisor ended before the machine ran\(how): \(words)", machine)
        }
        return ExitRecord(
            exitCode: 255, reason: "SupervisorLost",
            message: "the machine's supervisor ended without a word\(how); the machine ended with it",
            startedAt: startedAt, finishedAt: Timestamps.now())
    }

    private func show(_ record: ExitRecord, of machine: ManagedMachine) {
        guests.forget(machine.id)
        // Nobody holds what has ended. Before that is seen.
        machine.state.withLock { $0.holds = [] }
        guard !machine.state.withLock({ $0.isRemoved }) else { return }
        var entry = machine.entry(runtime: name)
        entry.phase = .exited
        entry.startedAt = record.startedAt
        entry.finishedAt = max(record.finishedAt, record.startedAt, entry.createdAt)
        entry.exitCode = record.exitCode
        entry.reason = record.reason
        entry.message = record.message
        do {
            try store.put(entry)
        } catch {
            logger.error("showing a machine's end failed", metadata: meta(machine, ["error": "\(error)"]))
        }
        logger.info(
            "machine ended",
            metadata: meta(machine, ["exitCode": "\(record.exitCode)", "reason": "\(record.reason)"]))
    }

    /// Waits until no process of the machine runs; kills those that stay.
    /// - Returns: false when some do even so.
    private func outlive(_ machine: ManagedMachine) async -> Bool {
        if await ProcessWait.untilGone(machine.processes, within: Self.leftoverGrace) { return true }
        for process in machine.processes where process.isAlive {
            logger.warning(
                "killing a process that outlived its machine's supervisor",
                metadata: meta(machine, ["pid": "\(process.id)"]))
            process.kill()
        }
        return await ProcessWait.untilGone(machine.processes, within: Self.leftoverGrace)
    }

    /// A process that cannot be killed keeps its slot for as long as it is there.
    private func waitForever(_ machine: ManagedMachine) async {
        logger.error(
            "a machine's processes cannot be ended; its slot stays taken until they are gone", metadata: meta(machine))
        while !Task.isCancelled, await !ProcessWait.untilGone(machine.processes, within: .seconds(60)) {}
        if !Task.isCancelled { await release(machine.id) }
    }

    /// Gives back what a machine has of the host's: nothing of it runs any more.
    func release(_ id: String) async {
        do {
            try await RootDirectory.offload { [addresses] in try addresses.release(of: id) }
        } catch {
            logger.error(
                "a machine's hardware address was not given back; the next start does it",
                metadata: ["container": "\(id)", "error": "\(error)"])
        }
        slots.release(machine: id)
    }

    func stopContainer(_ container: ContainerEntry, timeout: Int64) async throws {
        let machine = try machine(container.id)
        guard machine.isLaunched, !machine.ended.isOpen else { return }
        try await end(machine, grace: max(0, timeout))
    }

    /// Ends a machine that was started.
    private func end(_ machine: ManagedMachine, grace: Int64) async throws {
        let client = client(for: machine)
        let limit = Duration.seconds(grace) + options.stopLimit
        let clock = ContinuousClock.now
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                do {
                    try await client.stop(graceSeconds: grace)
                } catch {
                    if Task.isCancelled { return }
                    logger.debug("asking a supervisor to stop failed", metadata: meta(machine, ["error": "\(error)"]))
                    // Not serving yet, or not any more: its end, or its socket, comes soon.
                    _ = await machine.ended.wait(atMost: .seconds(2))
                }
            }
            group.addTask { _ = await machine.ended.wait(atMost: limit) }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
        let left = limit - (ContinuousClock.now - clock)
        if await machine.ended.wait(atMost: max(min(left, options.stopLimit), .seconds(1))) { return }
        try Task.checkCancellation()
        note(
            ExitRecord(
                exitCode: 137, reason: "Error", message: "its supervisor did not answer and was killed",
                startedAt: machine.status?.startedAt ?? 0, finishedAt: Timestamps.now()),
            for: machine)
        killSupervisor(of: machine)
        guard await machine.ended.wait(atMost: Self.killLimit) else {
            throw ShimError(
                .deadline, "container \(machine.record.container.name) could not be ended: its processes do not go away"
            )
        }
    }

    func removeContainer(_ container: ContainerEntry) async throws {
        guard let machine = state.withLock({ $0.machines[container.id] }) else {
            store.removeContainer(container.id)
            return
        }
        try await shielded { [self] in
            try await serial.run(machine.id) { try await remove(machine) }
        }
    }

    /// Under the machine's key.
    func remove(_ machine: ManagedMachine) async throws {
        if machine.isLaunched {
            if !machine.ended.isOpen { try await end(machine, grace: 0) }
            guard await machine.gone.wait(atMost: Self.killLimit) else {
                throw ShimError(
                    .deadline,
                    "container \(machine.record.container.name) cannot be removed: its processes do not go away")
            }
        }
        machine.state.withLock { $0.isRemoved = true }
        let bundle = machine.bundle
        try await RootDirectory.offload { try Self.discard(bundle) }
        _ = state.withLock { $0.machines.removeValue(forKey: machine.id) }
        await release(machine.id)
        await images.ended(machine.config)
        store.removeContainer(machine.id)
        machine.ended.open()
        machine.gone.open()
        await images.machineRemoved()
    }
}
