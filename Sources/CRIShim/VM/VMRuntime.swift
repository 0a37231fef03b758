import Logging
import NIOCore
import Processes
import Proto
import Synchronization
import VZEngine

/// Containers that are virtual machines, each owned by a supervisor process that outlives this one.
///
/// One task per machine, ``follow(_:)``, hears from its supervisor and brings the state store up to what it says.
final class VMRuntime: ContainerRuntime {
    let name = VMRuntime.handler
    static let handler = "vm"

    struct Options: Sendable {
        /// `machines/<id>` is below.
        var root: String
        /// `m/<id>` is below; short.
        var state: String
        /// What tells this shim from others: see ``RootDirectory/instance``.
        var instance: String
        /// The bridge on which machines have addresses of their own; nil: they share their pod's.
        var bridge: String?
        var readinessTimeout = 300
        /// How long StartContainer waits for the machine to run.
        var startLimit = Duration.seconds(90)
        /// What a machine's end may take beyond the grace it was given, before its supervisor is killed.
        var stopLimit = Duration.seconds(30)
        var host = MachineResources.Host.this
        /// Whether there is room for more; nil asks nobody.
        var disk: DiskGuard?
        var machines = MachineDefaults()
        var engine = HostEngine.current
        /// The machines of new pods of the handler `vm` have addresses of their own, which are the pods'.
        var givesAddresses: Bool { bridge != nil || engine.givesAddresses }
        /// Seconds in which a connection to a guest is made or given up; nil is the supervisor's own.
        var dialTimeout: Int?
        /// The SSH key exchanges offered to guests; empty is the library's choice.
        var keyExchanges: [String] = []
    }

    let options: Options
    let store: StateStore
    let slots: VMSlots
    let addresses: HardwareAddressPool
    let images: any MachineImages
    let guests = GuestStates()
    let launcher: any SupervisorLauncher
    let group: any EventLoopGroup
    let logger: Logger
    /// Start and removal of one container do not overlap.
    let serial = KeyedSerial()
    /// As do pausing and resuming one.
    let pausing = KeyedSerial()

    struct State {
        var machines: [String: ManagedMachine] = [:]
        /// The places of machines that are being made, by their id.
        var promised: [String: PromisedPlace] = [:]
        var isShuttingDown = false
    }
    let state = Mutex(State())

    /// Where a machine will be in its pod, before it is among ``State/machines``.
    struct PromisedPlace {
        var sandboxID: String
        var network: MachineConfig.Network
    }

    init(
        options: Options, store: StateStore, slots: VMSlots, images: any MachineImages,
        launcher: any SupervisorLauncher, group: any EventLoopGroup, logger: Logger
    ) {
        self.options = options
        self.store = store
        self.slots = slots
        addresses = HardwareAddressPool(root: options.root, instance: options.instance)
        self.images = images
        self.launcher = launcher
        self.group = group
        self.logger = logger
    }

    var health: RuntimeHealth {
        if let problem = launcher.check() {
            return RuntimeHealth(isReady: false, reason: "VMHostMissing", message: problem.message)
        }
        return .ready
    }

    func machine(_ id: String) throws -> ManagedMachine {
        guard let machine = state.withLock({ $0.machines[id] }) else {
            throw ShimError(.notFound, "there is no machine of container \(id)")
        }
        return machine
    }

    /// Of all there are.
    var machineIDs: Set<String> { state.withLock { Set($0.machines.keys) } }

    /// The machines of a sandbox, in the order they were made.
    func machines(inSandbox id: String) -> [ManagedMachine] {
        state.withLock { $0.machines.values.filter { $0.record.sandboxID == id } }
            .sorted { ($0.record.createdAt, $0.id) < ($1.record.createdAt, $1.id) }
    }

    func client(for machine: ManagedMachine) -> MachineClient {
        MachineClient(socketPath: machine.bundle.controlSocket, group: group, logger: logger)
    }

    /// Stops hearing from supervisors; they and their machines go on.
    func shutDown() async {
        let followers = state.withLock { state in
            state.isShuttingDown = true
            return state.machines.values.compactMap { machine in machine.state.withLock { $0.follower } }
        }
        for follower in followers { follower.cancel() }
        for follower in followers { await follower.value }
    }

    /// Lets work finish that must not stop half-way when its caller goes away.
    func shielded<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        try await Task { try await body() }.value
    }

    func reopenLog(_ container: ContainerEntry) async throws {
        do {
            try await client(for: machine(container.id)).reopenLog()
        } catch let error as VZEngineError {
            throw Self.shimError(error, "reopening the log of container \(container.record.name)")
        }
    }

    func details(_ container: ContainerEntry) -> [String: String] {
        guard let machine = state.withLock({ $0.machines[container.id] }) else { return [:] }
        let status = machine.status
        return [
            "info": JSONText.object([
                ("sandboxID", .text(container.sandboxID)),
                ("pid", .number(container.processID)),
                ("runtime", .text(name)),
                ("imageID", .text(container.record.imageID)),
                ("tty", .flag(container.record.tty)),
                ("stdin", .flag(container.record.stdin)),
                ("stdinOnce", .flag(container.record.stdinOnce)),
                ("bundle", .text(machine.bundle.directory)),
                ("console", .text(machine.bundle.console)),
                ("cpus", .number(machine.config.cpus)),
                ("memoryBytes", .number(Int(machine.config.memoryBytes))),
                ("supervisor", .number(Int(machine.supervisor?.id ?? 0))),
                ("phase", .text(status?.phase.rawValue ?? "")),
                ("paused", .flag(status?.isPaused ?? false)),
                ("stalled", .text(status?.stalled ?? "")),
                ("reachable", .flag(status?.isReachable ?? false)),
                ("notices", JSONText.array((status?.notices ?? []).map { "\($0.reason): \($0.message)" })),
                ("heldUntil", .text(status?.held.map { Timestamps.text($0.until) } ?? "")),
                ("guestAddress", .text(status?.address.map { "\($0.host):\($0.port)" } ?? "")),
            ])
        ]
    }

    /// What a client is told of a supervisor's error.
    static func shimError(_ error: VZEngineError, _ what: String) -> ShimError {
        let code: ShimError.Code
        switch error.code {
        case .invalidArgument: code = .invalidArgument
        case .guestBooting:
            return ShimError(.unavailable, "GuestBooting: \(what): \(error.description)", cause: nil)
        case .guestUnreachable, .notBegun: code = .unavailable
        case .deadline: code = .deadline
        case .supervisorLost, .protocolVersion: code = .unavailable
        case .exhausted: code = .exhausted
        case .badRecord: code = .corruptRecord
        case .unsupported: code = .unsupported
        default: code = .failed
        }
        return ShimError(code, "\(what) failed", cause: error)
    }
}
