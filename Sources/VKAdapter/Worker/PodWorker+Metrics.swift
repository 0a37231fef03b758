import KubeAPI

extension PodWorker {
    /// A pod that was running when this adapter first saw it was not started here.
    func noteStart(_ before: PodPhase?, _ after: PodPhase) {
        guard before == .pending, after == .running else { return }
        context.metrics.observe(AdapterMetrics.podStart, [:], firstSeen.duration(to: .now))
    }

    /// Notes a look at the pod, or one step of what followed from it.
    func noteWork(_ start: ContinuousClock.Instant) {
        let operation =
            isRemoving ? "kill" : status == nil || status?.phase == .pending ? "create" : "sync"
        context.metrics.observe(AdapterMetrics.podWorker, ["operation_type": operation], start.duration(to: .now))
    }
}
