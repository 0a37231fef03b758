/// How long the framework is waited for.
public struct AppleOptions: Sendable {
    /// From the request to the machine that executes.
    public var startDeadline = Duration.seconds(60)
    /// For the end of a machine that is to end; then its process is killed.
    public var stopDeadline = Duration.seconds(10)
    /// For pausing and going on.
    public var pauseDeadline = Duration.seconds(10)
    /// For writing or reading the state of all its memory.
    public var stateDeadline = Duration.seconds(300)
    /// A guest whose kernel gave up and that stands still ends after so long.
    public var panicGrace = Duration.seconds(3)
    /// So long the framework may need to notice that the machine's process is gone.
    public var lossGrace = Duration.seconds(5)

    public init() {}
}
