import HostFiles
import Logging
import Processes
import Synchronization
import VZEngine
import Waiting

extension VMRuntime {
    /// How long a supervisor that was just started may take to write down who it is.
    private static let supervisorGrace = Duration.seconds(5)

    /// Takes over what is on disk: machines that run go on, those that ended meanwhile are shown with their end. To be
    /// called once, when the store holds the sandboxes and before anybody is served.
    ///
    /// - Throws: `newerRecord`, `corruptRecord`: going on would take running machines for leftovers.
    func adopt() async throws {
        let options = self.options
        let found = try await RootDirectory.offload { try Self.scan(options) }
        for sandbox in store.sandboxes(matching: nil) where sandbox.record.phase == .ready {
            try slots.restoreReservation(of: sandbox.record)
        }
        for machine in found {
            state.withLock { $0.machines[machine.id] = machine }
            slots.restore(machine.config.guestOS, forMachine: machine.id, inSandbox: machine.record.sandboxID)
        }
        try await RootDirectory.offload { [addresses] in
            try addresses.adopt(
                try found.map { machine in
                    .init(
                        holder: machine.id, address: HardwareAddress(machine.config.network.macAddress),
                        mayLive: try machine.bundle.readExit() == nil)
                })
        }
        try restoreAddresses(of: found)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for machine in found { group.addTask { [self] in try await adopt(machine) } }
            try await group.waitForAll()
        }
    }

    /// Every machine on disk. What is half-made or half-removed goes; a machine that has lost a record is kept, and named
    /// by the error. Blocks.
    private static func scan(_ options: Options) throws -> [ManagedMachine] {
        let directory = options.root + "/machines"
        var machines: [ManagedMachine] = []
        for name in try RootDirectory.entries(of: directory).sorted() {
            let bundle = MachineBundle(id: name, root: options.root, state: options.state)
            guard !name.hasPrefix("."), let (config, record) = try bundle.records() else {
                try RootDirectory.removeTree(directory + "/" + name)
                continue
            }
            guard config.id == name else {
                throw ShimError(
                    .corruptRecord, "\(bundle.config) describes machine \(config.id): move it away to go on")
            }
            let machine = ManagedMachine(
                bundle: bundle, config: config, record: record)
            var launch = try bundle.read(MachineLaunch.self, schema: MachineLaunch.schema, at: bundle.launch)
            if let bytes = try RootDirectory.read(bundle.supervisor) {
                let supervisor = try RecordCoding.decodePlain(
                    ProcessIdentity.self, from: bytes, place: bundle.supervisor)
                launch = launch ?? MachineLaunch(bootID: supervisor.bootID)
                launch?.supervisor = supervisor
            }
            let changed = try bundle.read(
                MachineResourcesRecord.self, schema: MachineResourcesRecord.schema, at: bundle.resources)
            machine.state.withLock { [launch] in
                $0.launch = launch
                $0.resources = changed?.resources
            }
            machines.append(machine)
        }
        let known = Set(machines.map { String($0.id.prefix(16)) })
        for name in try RootDirectory.entries(of: options.state + "/m") where !known.contains(name) {
            try RootDirectory.removeTree(options.state + "/m/" + name)
        }
        return machines
    }

    private func adopt(_ machine: ManagedMachine) async throws {
        if try store.sandboxIfPresent(machine.record.sandboxID) == nil {
            // Its sandbox's record goes last when a sandbox is removed: this is what a crash left.
            logger.warning("removing a leftover machine", metadata: meta(machine))
            machine.supervisor?.kill()
            _ = await ProcessWait.untilGone(machine.processes, within: Self.supervisorGrace)
            for process in machine.processes { process.kill() }
            machine.state.withLock { $0.launch = nil }
            return try await serial.run(machine.id) { try await remove(machine) }
        }
        try store.put(machine.entry(runtime: name))
        guard let launch = machine.state.withLock({ $0.launch }) else { return }
        if launch.supervisor == nil, launch.bootID == SystemBoot.id { try await findSupervisor(of: machine) }
        let bundle = machine.bundle
        let exit = try await RootDirectory.offload { try bundle.readExit() }
        let isLive = exit == nil && machine.supervisor?.isAlive == true
        // A disk that is kept can be read also after the host was restarted.
        if isLive || machine.config.keepsDisk { await prepareAgain(machine) }
        if isLive, let supervisor = machine.supervisor {
            // What it says is in the store before anybody is served.
            do {
                let hello = try await client(for: machine).hello()
                guard hello.machineID == machine.id, hello.supervisor == supervisor else {
                    throw VZEngineError(
                        .supervisorLost, "process \(hello.supervisor.id) answers for machine \(hello.machineID)")
                }
                try await apply(hello.status, to: machine)
            } catch {
                logger.warning(
                    "a machine's supervisor lives and does not answer yet",
                    metadata: meta(machine, ["error": "\(error)"]))
            }
            return beginFollowing(machine)
        }
        if machine.supervisor?.isAlive != true {
            await conclude(machine)
        } else {
            beginFollowing(machine)
        }
    }

    /// Has what a machine's disks lie upon served on. It waits for that; the others are no reason to wait with it.
    private func prepareAgain(_ machine: ManagedMachine) async {
        do {
            try await images.prepare(machine.config, waits: false)
        } catch {
            logger.error(
                "what a machine's disks lie upon is not served", metadata: meta(machine, ["error": "\(error)"]))
        }
    }

    /// Our predecessor was killed between starting a supervisor and writing down which process that is.
    private func findSupervisor(of machine: ManagedMachine) async throws {
        let bundle = machine.bundle
        let changes = try FileWatcher(directory: bundle.directory)
        let deadline = ContinuousClock.now + Self.supervisorGrace
        while ContinuousClock.now < deadline {
            if let bytes = try await RootDirectory.offload({ try RootDirectory.read(bundle.supervisor) }) {
                let supervisor = try RecordCoding.decodePlain(
                    ProcessIdentity.self, from: bytes, place: bundle.supervisor)
                return machine.state.withLock { $0.launch?.supervisor = supervisor }
            }
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    var iterator = changes.makeAsyncIterator()
                    await iterator.next()
                }
                group.addTask { _ = await Latch().wait(atMost: deadline - ContinuousClock.now) }
                await group.next()
                group.cancelAll()
            }
        }
    }
}
