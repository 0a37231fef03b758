/// The version of what is spoken on a control socket. Within one major version things are only added: fields that may be
/// absent, kinds of frames that may be skipped, operations that may be refused.
public struct ControlVersion: Codable, Sendable, Hashable, CustomStringConvertible {
    public var major: Int
    public var minor: Int

    public init(major: Int, minor: Int) {
        self.major = major
        self.minor = minor
    }

    /// What this program speaks. 1.1: statistics, setMemory, pause, resume, save, screenshot. 1.2: notices.
    public static let current = ControlVersion(major: 1, minor: 2)

    /// Supervisors of so many minor versions ago are understood.
    public static let reach = 2

    public var description: String { "\(major).\(minor)" }

    /// Whether a client of this version drives a supervisor of that one.
    public func canDrive(_ supervisor: ControlVersion) -> Bool {
        supervisor.major == major && supervisor.minor >= minor - Self.reach
    }
}
