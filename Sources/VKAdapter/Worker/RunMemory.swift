/// What a worker remembers of one run of a container. Nothing in it must survive a restart.
struct RunMemory: Sendable, Hashable {
    /// Somebody has reached the machine.
    var isReached = false
    /// Its preStop hook runs, or has run.
    var hasPreStopped = false
    /// That it is ended was told.
    var isEndTold = false
    /// What it left to say; `nil` before it was asked.
    var lastWords: String?
}
