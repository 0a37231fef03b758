import Logging
import Synchronization
import VZEngine
import Waiting

/// Machines on a disk that is nearly full.
extension VMRuntime {
    /// Before anybody is served.
    func lookAtDisk() async {
        guard let disk = options.disk else { return }
        do {
            try await RootDirectory.offload { disk.lookNow() }
        } catch {
            logger.warning("the machines' disk was not looked at", metadata: ["error": "\(error)"])
        }
    }

    /// Pauses every machine that runs, also those that were started since. All at once: one that does not answer keeps no
    /// other writing.
    func pauseForDisk() async {
        await withTaskGroup(of: Void.self) { group in
            for machine in running where !machine.state.withLock({ $0.holds.contains(.diskPressure) }) {
                group.addTask { [self] in await switching(machine) { await pauseForDisk(machine) } }
            }
        }
    }

    /// There is room: what stands still for want of it goes on, also what a predecessor of ours has paused.
    func resumeAfterDisk() async {
        await withTaskGroup(of: Void.self) { group in
            for machine in all where machine.state.withLock({ $0.holds.contains(.diskPressure) }) {
                group.addTask { [self] in
                    await switching(machine) {
                        await release(machine, from: .diskPressure)
                        logger.notice("machine resumed: its disk has room again", metadata: meta(machine))
                    }
                }
            }
        }
        await letForgottenGo()
    }

    private func pauseForDisk(_ machine: ManagedMachine) async {
        do {
            try await hold(machine, for: .diskPressure)
            logger.warning("machine paused: DiskPressure", metadata: meta(machine))
        } catch {
            guard !machine.ended.isOpen else { return }
            logger.error(
                "a machine could not be paused for its full disk", metadata: meta(machine, ["error": "\(error)"]))
        }
    }

    /// One at a time for each machine: a supervisor that does not answer is not asked ever more often.
    func switching(_ machine: ManagedMachine, _ body: () async -> Void) async {
        let isFree = machine.state.withLock { state in
            defer { state.isBeingSwitched = true }
            return !state.isBeingSwitched
        }
        guard isFree else { return }
        await body()
        machine.state.withLock { $0.isBeingSwitched = false }
    }

    /// The ids of machines that stand still because their disk is full.
    var pausedForDisk: [String] {
        all.filter { $0.state.withLock { $0.holds.contains(.diskPressure) } && !$0.ended.isOpen }.map(\.id).sorted()
    }

    private var all: [ManagedMachine] { state.withLock { Array($0.machines.values) } }

    private var running: [ManagedMachine] {
        all.filter { $0.status?.phase == .running && !$0.ended.isOpen }
    }
}
