import Logging
import NIOPosix
import Processes
import Synchronization
import VZEngine
import Waiting

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Measures one machine. Whoever asks waits for a limited time and gets the last that is known: a machine, a supervisor or
/// a file system that does not answer keeps nobody, and is not asked a second time before it has answered.
final class MachineMeter: Sendable {
    private let machine: ManagedMachine
    private let client: MachineClient
    private let logger: Logger

    fileprivate struct State {
        var last: MachineMeasurement?
        /// What the rate is counted from.
        var base: (time: ContinuousClock.Instant, nanoseconds: UInt64)?
        var rate: UInt64?
        var guest: MachineStatistics?
        var round: Round?
    }

    /// One measuring that everybody waits for who asks meanwhile.
    fileprivate struct Round {
        /// The host has told its part;
        let host = Latch()
        /// so has the guest, or it does not in time.
        let all = Latch()
    }
    private let state = Mutex(State())

    /// How long a guest may take to say what it knows of itself.
    private static let guestLimit = Duration.seconds(1)
    /// Where nothing is known, a busy host is given so long.
    private static let firstLimit = Duration.seconds(10)
    /// A rate over less would jump.
    private static let ratePeriod = Duration.seconds(1)

    init(_ machine: ManagedMachine, client: MachineClient, logger: Logger) {
        self.machine = machine
        self.client = client
        self.logger = logger
    }

    /// - Returns: how it is now, or what is known last when that takes longer than `limit`. Where nothing is known yet the
    ///   host's own numbers are waited for somewhat longer; nil when they are not to be had either.
    func measurement(within limit: Duration) async -> MachineMeasurement? {
        let (round, isNew) = state.withLock { state in
            if let round = state.round { return (round, false) }
            let round = Round()
            state.round = round
            return (round, true)
        }
        if isNew {
            // Not its caller's: that may have gone before it is done.
            Task {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await self.askGuest() }
                    group.addTask {
                        await self.askHost()
                        round.host.open()
                    }
                }
                state.withLock { $0.round = nil }
                round.all.open()
            }
        }
        _ = await round.all.wait(atMost: limit)
        if let last = state.withLock({ $0.last }) { return last }
        _ = await round.host.wait(atMost: Self.firstLimit)
        return state.withLock { $0.last }
    }

    private func askHost() async {
        let machine = machine
        let hasNamespace = machine.config.network.namespace != nil
        do {
            var now = try await NIOThreadPool.singleton.runIfActive { try Self.look(at: machine, hasNamespace) }
            let instant = ContinuousClock.now
            state.withLock { state in
                now.guest = state.guest
                if let total = now.usage?.processorNanoseconds { state.count(total, at: instant, Self.ratePeriod) }
                now.rate = now.usage == nil ? nil : state.rate
                state.last = now
            }
        } catch {
            logger.warning(
                "a machine could not be measured", metadata: ["container": "\(machine.id)", "error": "\(error)"])
        }
    }

    /// Its own view of itself is worth a moment, and no more; what it said before is kept.
    private func askGuest() async {
        guard machine.status?.phase == .running, machine.status?.isReachable == true,
            machine.status?.isPaused != true
        else { return }
        do {
            let said = try await client.statistics(within: Self.guestLimit)
            state.withLock { state in
                state.guest = said
                state.last?.guest = said
            }
        } catch {
            logger.debug(
                "a machine says nothing of itself", metadata: ["container": "\(machine.id)", "error": "\(error)"])
        }
    }

    /// Blocks for a moment.
    private static func look(at machine: ManagedMachine, _ hasNamespace: Bool) throws -> MachineMeasurement {
        var now = MachineMeasurement(time: Timestamps.now())
        let alive = machine.ended.isOpen ? [] : machine.processes.filter(\.isAlive)
        let parts = try alive.compactMap { try ProcessUsage.of($0.id) }
        if !parts.isEmpty { now.usage = .sum(parts) }
        now.processes = parts.count
        now.memoryBytes = UInt64(clamping: machine.config.memoryBytes)
        for disk in machine.config.disks where disk.path.hasPrefix(machine.bundle.directory + "/") {
            var status = stat()
            guard stat(disk.path, &status) == 0 else { continue }
            // Of 512 bytes each, whatever the file system's are.
            now.diskBytes += UInt64(status.st_blocks) * 512
            now.disks += 1
        }
        if hasNamespace, let process = alive.first {
            now.interfaces = try InterfaceCounters.ofNamespace(ofProcess: process.id)
        }
        return now
    }
}

extension MachineMeter.State {
    fileprivate mutating func count(_ total: UInt64, at now: ContinuousClock.Instant, _ period: Duration) {
        guard let base else { return self.base = (now, total) }
        let passed = now - base.time
        guard passed >= period else { return }
        // What fewer processes have used is no rate.
        if total >= base.nanoseconds { rate = UInt64(Double(total - base.nanoseconds) / (passed / .seconds(1))) }
        self.base = (now, total)
    }
}
