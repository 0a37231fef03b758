/// Where the files of one machine are. What must survive a restart of the host is in ``directory``; sockets are in
/// ``runDirectory``, whose path is short: a unix socket's has 104 bytes at most.
public struct MachineBundle: Sendable, Hashable {
    /// `<root>/machines/<id>`
    public let directory: String
    /// `<state>/m/<first 16 digits of the id>`
    public let runDirectory: String

    public init(directory: String, runDirectory: String) {
        self.directory = directory
        self.runDirectory = runDirectory
    }

    public init(id: String, root: String, state: String) {
        self.init(directory: "\(root)/machines/\(id)", runDirectory: "\(state)/m/\(id.prefix(16))")
    }

    /// ``MachineConfig``
    public var config: String { directory + "/config.json" }
    /// ``ExitRecord``; absent while the machine lives, and when its supervisor was killed.
    public var exit: String { directory + "/exit.json" }
    /// The supervisor's `ProcessIdentity`, written by it before anything else.
    public var supervisor: String { directory + "/supervisor.json" }
    /// The guest's SSH host key, pinned at the first connection.
    public var hostKey: String { directory + "/host-key" }
    /// What the machine's serial console said, each line with its time.
    public var console: String { directory + "/console.log" }
    /// Where the container's log is.
    public var logCursor: String { directory + "/log.cursor" }
    /// What the supervisor itself has to say.
    public var supervisorLog: String { directory + "/vm-host.log" }

    public var controlSocket: String { runDirectory + "/control" }
    public func shareSocket(_ index: Int) -> String { "\(runDirectory)/fs\(index)" }
}
