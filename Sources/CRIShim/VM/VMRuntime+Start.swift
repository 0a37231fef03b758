import Logging
import Processes
import Synchronization
import VZEngine
import Waiting

extension VMRuntime {
    func startContainer(_ container: ContainerEntry) async throws {
        let machine = try machine(container.id)
        let namespace = try store.sandbox(container.sandboxID).namespace
        try await shielded { [self] in
            try await serial.run(machine.id) { try await launch(machine, namespace: namespace) }
            try await awaitStart(machine)
        }
    }

    /// Starts the supervisor, once.
    private func launch(_ machine: ManagedMachine, namespace: String?) async throws {
        guard !machine.state.withLock({ $0.isRemoved }) else {
            throw ShimError(.notFound, "container \(machine.id) was removed")
        }
        guard !machine.isLaunched else { return }
        var launch = MachineLaunch(bootID: SystemBoot.id)
        let bundle = machine.bundle
        // First: from here on a crash leaves a container that is known to have been started.
        try await RootDirectory.offload { [launch] in
            try RootDirectory.makeDirectory(bundle.runDirectory, mode: 0o700)
            try bundle.write(launch, to: bundle.launch)
        }
        machine.state.withLock { $0.launch = launch }
        do {
            try await images.prepare(machine.config, waits: true)
            // What has an address of the host's networks has it from the host's namespace.
            let place = machine.config.network.mode.hasOwnAddress ? nil : namespace
            let supervisor = try await launcher.launch(bundle, namespace: place)
            launch.supervisor = supervisor.identity
            machine.state.withLock { [launch] in
                $0.launch = launch
                $0.isOurChild = true
            }
            Task {
                let end = await supervisor.waitForEnd()
                machine.state.withLock { $0.supervisorEnd = end }
                machine.supervisorEnded.open()
            }
        } catch {
            // It never was: the end is ours to tell.
            note(startError("\(error)", machine), for: machine)
            machine.supervisorEnded.open()
        }
        do {
            try await RootDirectory.offload { [launch] in try bundle.write(launch, to: bundle.launch) }
        } catch {
            logger.warning(
                "noting a supervisor failed; its own record will do", metadata: meta(machine, ["error": "\(error)"]))
        }
        beginFollowing(machine)
    }

    /// Waits until the machine runs; ends it when it does not within the limit.
    private func awaitStart(_ machine: ManagedMachine) async throws {
        let settled = await Latch.first(of: [machine.running, machine.ended], atMost: options.startLimit)
        if machine.running.isOpen { return }
        if !settled {
            note(
                startError("NoAddress: the machine's address was not known within \(options.startLimit)", machine),
                for: machine)
            killSupervisor(of: machine)
            if await !machine.ended.wait(atMost: Self.killLimit) {
                throw ShimError(
                    .deadline,
                    "container \(machine.record.container.name) did not start within \(options.startLimit), and "
                        + "its supervisor does not end")
            }
        }
        let entry = try store.containerIfPresent(machine.id)
        // A machine that ran and has ended since did start.
        if let entry, entry.startedAt > 0, entry.reason != "StartError" { return }
        throw ShimError(
            .failed,
            "starting container \(machine.record.container.name) failed: \(entry?.message ?? "it was removed")")
    }

    func startError(_ message: String, _ machine: ManagedMachine) -> ExitRecord {
        ExitRecord(
            exitCode: 128, reason: "StartError", message: message, startedAt: 0, finishedAt: Timestamps.now())
    }

    /// Decides what the end of a machine is when its supervisor leaves no word. The first decision counts.
    func note(_ verdict: ExitRecord, for machine: ManagedMachine) {
        machine.state.withLock { state in
            if state.verdict == nil { state.verdict = verdict }
        }
    }

    /// Its machine dies with it.
    func killSupervisor(of machine: ManagedMachine) {
        guard let supervisor = machine.supervisor else { return }
        logger.warning("killing a machine's supervisor", metadata: meta(machine))
        supervisor.kill()
    }

    func meta(_ machine: ManagedMachine, _ more: Logger.Metadata = [:]) -> Logger.Metadata {
        more.merging(["container": "\(machine.id)", "sandbox": "\(machine.record.sandboxID)"]) { $1 }
    }
}
