import HostFiles
import Logging
import Processes
import Synchronization
import VZEngine
import Waiting

/// What hears from a supervisor from the moment it was started to the moment nothing of its machine is left.
extension VMRuntime {
    func beginFollowing(_ machine: ManagedMachine) {
        state.withLock { state in
            guard !state.isShuttingDown else { return }
            machine.state.withLock { inner in
                guard inner.follower == nil else { return }
                inner.follower = Task { [self] in await follow(machine) }
            }
        }
    }

    private func follow(_ machine: ManagedMachine) async {
        var pause = Duration.milliseconds(20)
        while !Task.isCancelled, isSupervised(machine) {
            // Before the try: what happens after a failed one is not missed.
            let changes = runDirectoryChanges(machine)
            do {
                for try await status in try await client(for: machine).watch() {
                    try await apply(status, to: machine)
                }
                pause = .milliseconds(20)
            } catch let error as VZEngineError where error.code == .protocolVersion {
                logger.error("a supervisor cannot be spoken to", metadata: meta(machine, ["error": "\(error)"]))
                pause = .seconds(60)
            } catch {
                logger.debug("a supervisor does not answer now", metadata: meta(machine, ["error": "\(error)"]))
            }
            if Task.isCancelled || !isSupervised(machine) { break }
            await hurry(machine)
            await pauseFor(pause, or: changes, or: machine)
            pause = min(pause * 2, .seconds(1))
        }
        guard !Task.isCancelled else { return }
        await conclude(machine)
    }

    /// Whether its supervisor still lives.
    private func isSupervised(_ machine: ManagedMachine) -> Bool {
        if machine.supervisorEnded.isOpen { return false }
        // We hear of our own child's end by that latch, together with how it ended.
        if machine.state.withLock({ $0.isOurChild }) { return true }
        return machine.supervisor?.isAlive ?? false
    }

    /// A supervisor whose machine has ended has nothing left to do.
    private func hurry(_ machine: ManagedMachine) async {
        guard machine.status?.phase == .exited else { return }
        let processes = [machine.supervisor].compactMap { $0 }
        if await !ProcessWait.untilGone(processes, within: options.stopLimit), !Task.isCancelled {
            killSupervisor(of: machine)
        }
    }

    /// Tells when the supervisor makes its socket.
    private func runDirectoryChanges(_ machine: ManagedMachine) -> FileWatcher? {
        guard machine.status == nil else { return nil }
        do {
            return try FileWatcher(directory: machine.bundle.runDirectory)
        } catch {
            logger.debug("watching for a supervisor's socket failed", metadata: meta(machine, ["error": "\(error)"]))
            return nil
        }
    }

    private func pauseFor(_ limit: Duration, or changes: FileWatcher?, or machine: ManagedMachine) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { _ = await machine.supervisorEnded.wait(atMost: limit) }
            if let changes {
                group.addTask {
                    var iterator = changes.makeAsyncIterator()
                    await iterator.next()
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    /// Brings the store up to what a supervisor says.
    func apply(_ status: MachineStatus, to machine: ManagedMachine) async throws {
        let before = machine.state.withLock { state in
            defer { state.status = status }
            return state.status
        }
        switch status.phase {
        case .starting: break
        case .running, .stopping:
            // Stopping is running still, for those who look from outside.
            guard status.startedAt > 0 else { break }
            // Before anybody hears that it runs.
            guests.note(
                machine.id, sandbox: machine.record.sandboxID, isReachable: status.isReachable,
                address: status.address?.host ?? "")
            var entry = machine.entry(runtime: name)
            entry.phase = .running
            entry.startedAt = status.startedAt
            entry.processID = Int(status.processes.first?.id ?? machine.supervisor?.id ?? 0)
            (entry.reason, entry.message) = MachineNotices.words(for: status)
            let isNew = !machine.running.isOpen
            let hasNews = before?.held != status.held || before?.notices != status.notices
            if isNew || hasNews || before?.processes != status.processes { try store.put(entry) }
            machine.running.open()
            if isNew { noteGrant(of: machine) }
            if status.isReachable, before?.isReachable != true { await images.started(machine.config) }
            for notice in MachineNotices.new(in: status, since: before) {
                logger.notice(
                    "a machine is not all that was asked for",
                    metadata: meta(machine, ["reason": "\(notice.reason)", "what": "\(notice.message)"]))
            }
            if !isNew, hasNews { store.announceChange(of: machine.id, inSandbox: machine.record.sandboxID) }
        case .exited: guests.forget(machine.id)  // The rest is told when nothing of it runs any more.
        }
        if status.processes != before?.processes, !status.processes.isEmpty {
            await remember(machine) { $0.processes = status.processes }
        }
        if let address = status.address?.host, machine.config.network.mode.hasOwnAddress {
            await noteAddress(address, of: machine)
        }
        if status.phase != before?.phase || status.wasReachable != before?.wasReachable {
            logger.debug(
                "machine is \(status.phase)", metadata: meta(machine, ["reachable": "\(status.isReachable)"]))
        }
    }

    /// Notes what is known of a machine, for whoever finds its supervisor dead.
    func remember(_ machine: ManagedMachine, _ change: @Sendable (inout MachineLaunch) -> Void) async {
        let launch = machine.state.withLock { state in
            if state.launch != nil { change(&state.launch!) }
            return state.launch
        }
        guard let launch else { return }
        let bundle = machine.bundle
        do {
            try await RootDirectory.offload { try bundle.write(launch, to: bundle.launch) }
        } catch {
            logger.warning("noting what runs of a machine failed", metadata: meta(machine, ["error": "\(error)"]))
        }
    }
}
