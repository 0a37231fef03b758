import KubeAPI

extension StatusInput {
    /// Where the pod is in its life (kubelet `getPhase`).
    func phase(_ initStatuses: [ContainerStatus], _ statuses: [ContainerStatus]) -> PodPhase {
        let started = Self.anyHasStarted(statuses)
        var pending = 0
        var failedInit = 0
        for (container, status) in zip(pod.spec.initContainers, initStatuses) {
            if container.isSidecar {
                // One that restarts does not put a pod back that was there already.
                let waits = status.state.waiting != nil && status.lastState.terminated == nil
                let starts = status.state.running != nil && status.started != true
                if (waits || starts) && !started { pending += 1 }
                continue
            }
            if let end = status.state.terminated ?? (status.state.waiting != nil ? status.lastState.terminated : nil) {
                if end.exitCode != 0, !pod.restarts(container, after: end.exitCode, isInit: true) { failedInit += 1 }
            } else {
                pending += 1
            }
        }
        if failedInit > 0 { return .failed }

        var running = 0
        var stopped = 0
        var succeeded = 0
        var waiting = 0
        var restarting = 0
        for (container, status) in zip(pod.spec.containers, statuses) {
            if let end = status.state.terminated ?? status.lastState.terminated, status.state.running == nil,
                pod.restarts(container, after: end.exitCode)
            {
                restarting += 1
            }
            if status.state.running != nil {
                running += 1
            } else if let end = status.state.terminated {
                stopped += 1
                if end.exitCode == 0 { succeeded += 1 }
            } else if status.lastState.terminated != nil {
                stopped += 1
            } else {
                waiting += 1
            }
        }
        if terminating, running == 0, stopped > 0, waiting + stopped == statuses.count {
            return succeeded == statuses.count ? .succeeded : .failed
        }
        if pending > 0 || waiting > 0 { return .pending }
        if running > 0 { return .running }
        guard stopped > 0 else { return .pending }
        if restarting > 0 { return .running }
        return stopped == succeeded ? .succeeded : .failed
    }

    /// Whether any regular container runs or ever ran.
    static func anyHasStarted(_ statuses: [ContainerStatus]) -> Bool {
        statuses.contains {
            $0.state.running != nil || $0.state.terminated != nil || $0.lastState.terminated != nil
        }
    }
}
