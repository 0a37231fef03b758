/// How a machine's life as a container ended: `exit.json` in its bundle, on disk before the supervisor ends.
public struct ExitRecord: Codable, Sendable, Hashable {
    public var schema = 1
    public var exitCode: Int32
    /// One word, as a container's status has it.
    public var reason: String
    public var message: String
    /// Nanoseconds since 1970; 0 when it never ran.
    public var startedAt: Int64
    public var finishedAt: Int64

    public init(exitCode: Int32, reason: String, message: String = "", startedAt: Int64, finishedAt: Int64) {
        self.exitCode = exitCode
        self.reason = reason
        self.message = message
        self.startedAt = startedAt
        self.finishedAt = finishedAt
    }
}
