import Foundation
import Logging
import NIOCore
import NIOPosix
import Processes
import Synchronization
import VZEngine
import Virtualization

/// A machine that Virtualization.framework runs. This actor *is* the machine's queue: nothing else touches the framework's
/// object.
actor AppleMachine: Machine {
    nonisolated let changes: AsyncStream<MachineChange>
    nonisolated var console: AsyncStream<ByteBuffer> { pipe.output }
    nonisolated var processes: [ProcessIdentity] { known.withLock { $0 } }
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    let config: MachineConfig
    let files: MachineFiles
    let macAddress: String
    let options: AppleOptions
    let logger: Logger
    let pipe: ConsolePipe
    let changed: AsyncStream<MachineChange>.Continuation
    /// It executes no more.
    let stopped = Answer()
    /// And nothing is left of it.
    let ended = Answer()
    nonisolated let known = Mutex<[ProcessIdentity]>([])

    private let executor: QueueExecutor
    let addresses: AddressFinder
    /// nil before it was made, and when it has ended: the framework's files and processes go with its object.
    var machine: VZVirtualMachine?
    /// The framework holds it weakly.
    var watch: MachineWatch?
    var verdict = EndVerdict()
    /// What the framework is asked to do at present; one thing at a time.
    var operation: Answer?
    /// Why its state cannot be saved; nil when it can.
    var saveRefusal: String?

    init(
        _ config: MachineConfig, files: MachineFiles, console: ConsolePipe,
        addresses: AddressFinder, options: AppleOptions, logger: Logger
    ) {
        self.config = config
        self.files = files
        self.addresses = addresses
        self.options = options
        self.logger = logger
        pipe = console
        executor = QueueExecutor(label: "vz-\(config.id.prefix(16))")
        macAddress = files.hardwareAddress(config.network).description
        (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
    }

    // MARK: Starting

    /// Once. Leaves nothing when it throws.
    func start() async throws {
        let begun = Answer()
        let cpus = config.cpus
        do {
            try Task.checkCancellation()
            let machine = try make()
            if let state = config.restoreFrom {
                machine.restoreMachineState(from: state, begun)
                try await begun.wait(within: options.stateDeadline, "the framework does not restore \(state)")
                try await answer(options.pauseDeadline, "the framework does not let the machine go on") {
                    machine, done in
                    machine.resume { done.give($0) }
                }
            } else {
                machine.start { begun.give($0) }
                try await begun.wait(within: options.startDeadline, "the framework does not start the machine")
            }
            try Task.checkCancellation()
            await findProcesses()
        } catch {
            // Also when this task is cancelled, nothing may be left.
            await Task { await abandon(begun) }.value
            let attempt = config.restoreFrom.map { "restore the machine from \($0)" } ?? "start the machine"
            throw AppleErrors.error(attempt, error, code: .startFailed)
        }
        logger.info(
            "the machine runs",
            metadata: ["cpus": "\(cpus)", "mac": "\(macAddress)", "processes": "\(processes.map(\.id))"])
        // Ends with the machine; it holds the machine until then.
        Task { await supervise() }
    }

    private func make() throws -> VZVirtualMachine {
        let made = try ConfigurationBuilder(
            config: config, files: files, macAddress: macAddress, console: pipe.writing
        ).make()
        saveRefusal = made.saveRefusal
        if let state = config.restoreFrom, let saveRefusal {
            throw VZEngineError(
                .unsupported, "the machine cannot be restored from \(state): \(saveRefusal)")
        }
        let machine = VZVirtualMachine(configuration: made, queue: executor.queue)
        let watch = MachineWatch { [weak self] event in self?.assumeIsolated { $0.happened(event) } }
        machine.delegate = watch
        (self.machine, self.watch) = (machine, watch)
        return machine
    }

    private func findProcesses() async {
        guard let disk = files.disks.first?.path else { return }
        do {
            var found = try await NIOThreadPool.singleton.runIfActive { DiskHolders.of(disk) }
            if found.count > 1 {
                // Whoever had it open for a moment only, as a scanner or a backup, is none of the machine's.
                try await Task.sleep(for: .milliseconds(200))
                let again = try await NIOThreadPool.singleton.runIfActive { DiskHolders.of(disk) }
                found = found.filter(again.contains)
            }
            known.withLock { [found] in $0 = found }
        } catch {
            logger.warning("the machine's process cannot be looked for", metadata: ["error": "\(error)"])
        }
        if processes.isEmpty {
            logger.warning("no process holds the machine's disk: how much it uses is not known")
        }
    }

    private func abandon(_ begun: Answer) async {
        if machine != nil {
            // It cannot be stopped while it starts.
            await begun.isGiven(within: options.stopDeadline)
            await stopHard()
            await findProcesses()
            await waitForProcesses()
        }
        await pipe.close()
        release()
        await files.undo()
    }

    // MARK: The framework's answers

    /// Asks the framework for something, and waits for it no longer than allowed.
    func answer(
        _ limit: Duration, _ late: String, _ ask: (VZVirtualMachine, Answer) throws -> Void
    ) async throws {
        while let operation, !operation.isGiven {
            guard await operation.isGiven(within: limit) else {
                throw VZEngineError(.deadline, "\(late): it is busy with something else for \(limit)")
            }
        }
        guard let machine else { throw VZEngineError(.failed, "the machine has ended") }
        let done = Answer()
        operation = done
        try ask(machine, done)
        try await done.wait(within: limit, late)
    }

    func happened(_ event: MachineWatch.Event) {
        switch event {
        case .guestStopped:
            verdict.guestStopped()
            stopped.give()
        case .failed(let message):
            verdict.failed(message)
            stopped.give()
        case .networkLost(let reason):
            logger.warning("the machine has lost its network", metadata: ["error": "\(reason)"])
            changed.yield(.networkLost(reason: reason))
        }
    }

    // MARK: Reaching the guest

    func guestAddress() async throws -> GuestAddress {
        GuestAddress(
            host: try await addresses.first(.seconds(config.readinessTimeout)), port: config.credentials.port)
    }
}
