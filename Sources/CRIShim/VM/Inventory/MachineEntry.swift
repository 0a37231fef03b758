import VZEngine

/// One machine, as a list shows it.
public struct MachineEntry: Sendable, Hashable, Codable {
    public enum State: String, Sendable, Hashable, Codable {
        /// Not started yet.
        case created
        case starting, running, stopping, exited
        /// It failed, and is kept to be looked at.
        case held
        /// Its supervisor was killed, and nobody has noted its end yet.
        case lost
        /// Its supervisor lives and does not answer.
        case unresponsive
        /// Its records are damaged, or a newer program's.
        case unreadable

        init(_ phase: MachinePhase) {
            switch phase {
            case .starting: self = .starting
            case .running: self = .running
            case .stopping: self = .stopping
            case .exited: self = .exited
            }
        }
    }

    /// The container's id.
    public var id: String
    public var sandboxID = ""
    public var namespace = ""
    public var pod = ""
    public var container = ""
    public var attempt: UInt32 = 0
    public var image = ""
    public var state = State.created
    /// `linux`, `macos`.
    public var guestOS = ""
    public var cpus = 0
    public var memoryBytes: Int64 = 0
    /// Where SSH reaches the guest, from its pod's network; nil while it is not known.
    public var address: String?
    /// nil when nobody can say.
    public var isReachable: Bool?
    /// Nanoseconds since 1970; 0 is not yet.
    public var createdAt: Int64 = 0
    public var startedAt: Int64 = 0
    public var finishedAt: Int64 = 0
    public var exitCode: Int32?
    public var reason = ""
    public var message = ""
    /// The file with what its serial console said.
    public var console: String

    init(id: String, console: String) {
        self.id = id
        self.console = console
    }

    /// What it is called, from short to long.
    public var names: [String] {
        guard !container.isEmpty else { return [] }
        guard !pod.isEmpty else { return [container] }
        return [container, "\(pod)/\(container)", "\(namespace)/\(pod)/\(container)"]
    }
}
