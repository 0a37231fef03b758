/// What is known of running containers beyond what the runtime says.
struct ContainerFacts: Sendable, Hashable {
    /// By name: the start-up probe has not succeeded yet, or the postStart hook is not done.
    var starting: Set<String> = []
    /// Runs that failed a probe and have to be stopped, by id.
    var failed: [String: PodProbes.Findings.Failure] = [:]
    /// Seconds containers get when their pod ends for the node's sake; the pod's own where `nil`.
    var endGrace: Int64?
    /// Runs whose resources are to be changed: by id, whether that takes a restart.
    var resized: [String: Bool] = [:]
}
