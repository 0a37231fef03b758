import Processes
import Synchronization
import VZEngine
import Waiting

/// A container's machine as this program knows it.
final class ManagedMachine: Sendable {
    let bundle: MachineBundle
    let config: MachineConfig
    let record: MachineContainerRecord

    var id: String { config.id }

    /// Opens when it runs for the first time.
    let running = Latch()
    /// Opens when its end is in the store, or it was never started and is gone.
    let ended = Latch()
    /// Opens when nothing of it runs any more and its slot is free.
    let gone = Latch()
    /// Opens when its supervisor has ended.
    let supervisorEnded = Latch()

    struct State {
        /// StartContainer was called for it, by us or by a predecessor.
        var launch: MachineLaunch?
        var status: MachineStatus?
        /// We started its supervisor, and reap it.
        var isOurChild = false
        /// How its supervisor ended, when it was our child.
        var supervisorEnd: String?
        /// What its end is when its supervisor leaves no word, because we ended it.
        var verdict: ExitRecord?
        var follower: Task<Void, Never>?
        var isRemoved = false
        /// Why it stands still.
        var holds: Set<MachineHold> = []
        /// Somebody pauses or resumes it for its disk's sake.
        var isBeingSwitched = false
        /// Made when somebody asks what it uses.
        var meter: MachineMeter?
        /// What was asked for since it was made; nil is what it was made with.
        var resources: MachineResources.Request?
    }
    let state = Mutex(State())

    init(bundle: MachineBundle, config: MachineConfig, record: MachineContainerRecord) {
        self.bundle = bundle
        self.config = config
        self.record = record
    }

    var isLaunched: Bool { state.withLock { $0.launch != nil } }
    var status: MachineStatus? { state.withLock { $0.status } }
    var supervisor: ProcessIdentity? { state.withLock { $0.launch?.supervisor } }

    /// What was asked for last.
    var resources: MachineResources.Request? { state.withLock { $0.resources } ?? record.resources }

    /// Everything of it that the system may still run.
    var processes: [ProcessIdentity] {
        state.withLock { state in
            var all = state.launch?.processes ?? []
            for process in state.status?.processes ?? [] where !all.contains(process) { all.append(process) }
            if let supervisor = state.launch?.supervisor { all.append(supervisor) }
            return all
        }
    }

    /// The entry of a container that was not started yet.
    func entry(runtime: String) -> ContainerEntry {
        var entry = ContainerEntry(
            id: id, sandboxID: record.sandboxID, runtime: runtime, record: record.container)
        entry.createdAt = record.createdAt
        entry.resources = resources?.resources
        return entry
    }
}
