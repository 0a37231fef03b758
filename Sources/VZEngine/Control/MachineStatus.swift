public import Processes

/// Where a machine is in its life.
public enum MachinePhase: String, Codable, Sendable {
    /// The engine is starting it, or its address is not known yet.
    case starting
    case running
    /// It was asked to end, or its command has ended.
    case stopping
    /// ``MachineStatus/exit`` says how.
    case exited
}

/// What a supervisor says of its machine.
public struct MachineStatus: Codable, Sendable, Hashable {
    public var phase: MachinePhase
    /// Nanoseconds since 1970; 0 until the machine runs.
    public var startedAt: Int64
    /// Where SSH reaches the guest, from the pod's namespace.
    public var address: GuestAddress?
    /// The guest answers now.
    public var isReachable: Bool
    /// The guest has answered once.
    public var wasReachable: Bool
    public var exit: ExitRecord?
    /// The machine's processes, without the supervisor.
    public var processes: [ProcessIdentity]
    /// The container has failed, and its machine is kept to be looked at; nil when it is not.
    public var held: Held?

    // What older supervisors do not say is optional.

    /// Somebody asked it to stand still.
    public var isPaused: Bool?
    /// Why it stands still by itself.
    public var stalled: String?
    /// What its user should know of it, oldest first; nil is nothing.
    public var notices: [Notice]?

    /// Something that is not as the container's configuration has it, and is no failure.
    public struct Notice: Codable, Sendable, Hashable {
        /// One word, as events have it: `MountPathUnavailable`, say.
        public var reason: String
        public var message: String

        public init(reason: String, message: String) {
            self.reason = reason
            self.message = message
        }
    }

    /// How a container ended whose machine is kept, and until when.
    public struct Held: Codable, Sendable, Hashable {
        public var exitCode: Int32
        public var reason: String
        public var message: String
        /// Nanoseconds since 1970.
        public var until: Int64

        public init(exitCode: Int32, reason: String, message: String, until: Int64) {
            self.exitCode = exitCode
            self.reason = reason
            self.message = message
            self.until = until
        }
    }

    public init(
        phase: MachinePhase, startedAt: Int64 = 0, address: GuestAddress? = nil, isReachable: Bool = false,
        wasReachable: Bool = false, exit: ExitRecord? = nil, processes: [ProcessIdentity] = []
    ) {
        self.phase = phase
        self.startedAt = startedAt
        self.address = address
        self.isReachable = isReachable
        self.wasReachable = wasReachable
        self.exit = exit
        self.processes = processes
    }
}

/// Who answers on a control socket.
public struct MachineHello: Sendable, Hashable {
    public var version: ControlVersion
    public var machineID: String
    public var supervisor: ProcessIdentity
    public var status: MachineStatus

    public init(version: ControlVersion, machineID: String, supervisor: ProcessIdentity, status: MachineStatus) {
        self.version = version
        self.machineID = machineID
        self.supervisor = supervisor
        self.status = status
    }
}
