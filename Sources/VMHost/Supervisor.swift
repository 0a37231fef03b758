import HostFiles
import Logging
import NIOCore
import Processes
import Synchronization
import VZEngine

/// Runs one machine from its start to its end: does what ``Supervision`` says, and tells it what happens.
final class Supervisor: Sendable {
    /// What the supervisor is given of the world.
    struct Surroundings: Sendable {
        var engine: any MachineEngine
        /// Makes the channel to the guest; it need not be reachable.
        var guest: @Sendable (GuestAddress) throws -> any Guest
        var group: any EventLoopGroup
        var logger: Logger
        var standstill = Standstill()
    }

    let config: MachineConfig
    let bundle: MachineBundle
    let surroundings: Surroundings
    let board = StatusBoard()
    let main: MainProgram
    let console = Fanout()
    let log: ContainerLog
    let clock = Moment.Clock()
    private let consoleLog: ConsoleLog
    private let events: AsyncStream<(Supervision.Event, Moment)>
    private let post: AsyncStream<(Supervision.Event, Moment)>.Continuation
    let parts = Mutex(Parts())

    /// How long output that is still on its way is waited for when its source has ended.
    private static let outputTime = Duration.seconds(2)

    struct Parts {
        var machine: (any Machine)?
        var guest: (any Guest)?
        /// How often the guest has moved, the channels to where it was before, and who wants to hear of the next move.
        var moves = 0
        var formerGuests: [any Guest] = []
        var moved: AsyncStream<String>.Continuation?
        var start: Task<any Machine, any Error>?
        /// Ports the guest is served on already.
        var peerPorts: Set<Int> = []
        /// By tag: of which content the guest has copies.
        var copied: [String: String] = [:]
    }

    /// Shares that the guest has copies of which are to be kept up to date.
    let copied = AsyncStream.makeStream(of: MachineConfig.Share.self)

    var logger: Logger { surroundings.logger }
    var guest: (any Guest)? { parts.withLock { $0.guest } }

    init(_ config: MachineConfig, in bundle: MachineBundle, _ surroundings: Surroundings) {
        self.config = config
        self.bundle = bundle
        self.surroundings = surroundings
        log = ContainerLog(path: config.logPath, cursorPath: bundle.logCursor, logger: surroundings.logger)
        main = MainProgram(config.main, log: log, logger: surroundings.logger)
        consoleLog = ConsoleLog(path: bundle.console)
        (events, post) = AsyncStream.makeStream()
    }

    /// Notes what happened, now.
    func note(_ event: Supervision.Event) { note(event, at: clock.now()) }
    func note(_ event: Supervision.Event, at moment: Moment) { post.yield((event, moment)) }

    /// Until the container has ended, all its output is written, and no process of the machine is left.
    func run() async -> ExitRecord {
        let record = await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.startMachine() }
            var supervision = Supervision(config)
            for await (event, moment) in events {
                logger.debug("event", metadata: ["event": "\(event)"])
                let actions = supervision.handle(event, at: moment)
                // That it has ended is said when it is on record.
                if supervision.phase != .exited {
                    board.update { status in
                        status.phase = supervision.phase
                        status.held = supervision.held
                    }
                }
                for action in actions {
                    if case .finish(let record) = action {
                        await main.waitForEnd(atMost: Self.outputTime)
                        group.cancelAll()
                        return record
                    }
                    group.addTask { await self.perform(action) }
                }
            }
            preconditionFailure("the events end with the supervisor")
        }
        await settle(record)
        return record
    }

    /// Closes what is open, the log last.
    private func settle(_ record: ExitRecord) async {
        main.abandon()
        await guest?.close()
        for former in parts.withLock({ $0.formerGuests }) { await former.close() }
        await log.close()
        let last: Fanout.Event = .exited(code: record.exitCode)
        main.output.publish(last)
        console.publish(last)
    }

    private func perform(_ action: Supervision.Action) async {
        switch action {
        case .runCommand: await runCommand()
        case .terminateCommand: await main.terminate()
        case .pressPowerButton:
            do {
                try await machine?.pressPowerButton()
            } catch {
                logger.warning("the power button could not be pressed", metadata: ["error": "\(error)"])
            }
        case .shutDownGuest: await shutDownGuest()
        case .windUp:
            await windUp()
            note(.woundUp)
        case .powerOff: await machine?.powerOff()
        case .abandonStart: parts.withLock { $0.start }?.cancel()
        case .wake(let at):
            do { try await Task.sleep(until: clock.instant(at), clock: .continuous) } catch { return }
            note(.timer)
        case .finish: break
        }
    }

    var machine: (any Machine)? { parts.withLock { $0.machine } }

    // MARK: The machine

    private func startMachine() async {
        // Apart, so that it can be abandoned without what follows.
        let start = Task { [self] in try await surroundings.engine.start(config, in: bundle) }
        parts.withLock { $0.start = start }
        let machine: any Machine
        do {
            machine = try await start.value
        } catch {
            logger.error("the machine did not start", metadata: ["error": "\(error)"])
            note(.startFailed("\(error)"))
            return
        }
        let moment = clock.now()
        parts.withLock { $0.machine = machine }
        board.update { status in
            status.startedAt = moment.wall
            status.processes = machine.processes
        }
        logger.info("the machine runs", metadata: ["processes": "\(machine.processes.map(\.id))"])
        note(.started, at: moment)
        await withTaskGroup(of: Void.self) { group in
            let reading = Task { await self.readConsole(machine) }
            group.addTask {
                let end = await machine.waitForEnd()
                let moment = self.clock.now()
                self.logger.info("the machine has ended", metadata: ["end": "\(end)"])
                await self.finish(reading, within: Self.outputTime)
                self.note(.machineEnded(end), at: moment)
            }
            group.addTask { await self.reachGuest(machine) }
            group.addTask { await self.followLogCommand() }
            group.addTask { await self.followSources() }
            group.addTask { await self.followShares(of: machine) }
            group.addTask { await self.serveOwnPorts() }
            group.addTask { await self.follow(machine.changes) }
        }
    }

    /// The console's rest is worth a moment, not more.
    private func finish(_ reading: Task<Void, Never>, within limit: Duration) async {
        let overdue = Task {
            try await Task.sleep(for: limit)
            reading.cancel()
        }
        await reading.value
        overdue.cancel()
    }

    private func readConsole(_ machine: any Machine) async {
        let isLog = config.main.command.isEmpty && config.logCommand == nil
        for await bytes in machine.console {
            console.publish(.output(bytes))
            do {
                try await consoleLog.append(bytes)
            } catch {
                logger.warning("the console could not be written", metadata: ["error": "\(error)"])
            }
            if isLog { await log.append(.stdout, bytes) }
        }
    }
}
