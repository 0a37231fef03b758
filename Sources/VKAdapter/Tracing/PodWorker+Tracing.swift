import KubeAPI

extension PodWorker {
    /// A step of a pod as a trace of its own: the calls it makes are below it.
    func traced<Result>(_ action: Action, _ work: () async throws -> Result) async rethrows -> Result {
        guard let tracer = context.tracer else { return try await work() }
        return try await tracer.span(
            "pod \(action.traceName)",
            attributes: [
                "k8s.namespace.name": pod.metadata.namespace, "k8s.pod.name": pod.metadata.name, "k8s.pod.uid": uid,
            ], work)
    }
}

extension Action {
    /// The step in a word, without what differs from pod to pod.
    fileprivate var traceName: String { "\(self)".prefix { $0 != "(" }.description }
}
