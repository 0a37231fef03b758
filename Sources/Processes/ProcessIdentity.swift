#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Which process is meant, also after its number was given to another: what adoption after a restart compares.
public struct ProcessIdentity: Codable, Sendable, Hashable {
    public var id: Int32
    /// When it started, in the system's own count: meaningful only for comparison.
    public var startTime: UInt64
    /// Which run of the system that was.
    public var bootID: String

    public init(id: Int32, startTime: UInt64, bootID: String) {
        self.id = id
        self.startTime = startTime
        self.bootID = bootID
    }

    /// The process that has this number now; nil when there is none, or only its remains that nobody has reaped.
    public static func of(_ id: Int32) -> ProcessIdentity? {
        guard let startTime = SystemProcesses.startTime(of: id) else { return nil }
        return ProcessIdentity(id: id, startTime: startTime, bootID: SystemProcesses.bootID)
    }

    /// This process.
    public static var current: ProcessIdentity? { of(getpid()) }

    /// Whether this very process still runs.
    public var isAlive: Bool { Self.of(id) == self }

    /// Whether the system was started anew since: then nothing of that time lives.
    public var isOfThisBoot: Bool { bootID == SystemProcesses.bootID }
}
