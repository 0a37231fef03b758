import KubeAPI
import Proto

extension Planner {
    /// The next steps of containers in a sandbox that is up.
    func containers() -> [Action] {
        guard let sandbox = observed.readySandbox else { return [] }
        let hasInitialized = pod.spec.containers.contains { observed.current($0.name) != nil }
        var actions: [Action] = []
        for container in pod.spec.initContainers {
            let run = observed.current(container.name)
            if container.isSidecar {
                actions += steps(container, run, sandbox.id)
                // Those behind it wait until it runs.
                if !hasInitialized, run?.isRunning != true { return actions }
            } else if !hasInitialized {
                guard let run, run.status.state == .containerExited, run.status.exitCode == 0 else {
                    return actions + steps(container, run, sandbox.id, isInit: true)
                }
            }
        }
        for container in pod.spec.containers {
            actions += steps(container, observed.current(container.name), sandbox.id)
        }
        return actions
    }

    /// - Parameter run: the newest run in this sandbox.
    private func steps(_ container: Container, _ run: ObservedContainer?, _ sandbox: String, isInit: Bool = false)
        -> [Action]
    {
        guard let run else {
            // It may have run in a sandbox before: one that is done is not run again.
            if let before = observed.newest(container.name), !isInit, before.status.state == .containerExited {
                return isFollowed(before, container) ? start(container, after: before, sandbox) : []
            }
            return start(container, after: observed.newest(container.name), sandbox)
        }
        switch run.status.state {
        case .containerRunning:
            guard !isInit, let hash = run.hash, hash != PodMapping.hash(container) else { return [] }
            return [
                .stopContainer(
                    id: run.id, name: run.name, grace: grace, why: "Container \(run.name) definition changed")
            ]
        case .containerCreated:
            if backoff.unstartable.contains(run.id) {
                return pod.spec.restartPolicy == .never ? [] : start(container, after: run, sandbox)
            }
            return [.startCreated(id: run.id, name: run.name)]
        case .containerExited:
            return isFollowed(run, container, isInit: isInit) ? start(container, after: run, sandbox) : []
        default:
            // Nobody knows what it does: it is ended first.
            return [.stopContainer(id: run.id, name: run.name, grace: grace, why: "its state is unknown")]
        }
    }

    private func start(_ container: Container, after last: ObservedContainer?, _ sandbox: String) -> [Action] {
        if let last, last.status.state == .containerExited {
            let remembered = remembered(last)
            if let (delay, until) = backoff.restartDelay(
                container.name, ended: last.ended, remembered: remembered, now: now)
            {
                let reason = WaitingReason.crashLoopBackOff(delay, container: container.name, pod: pod)
                return [.wait(name: container.name, reason: reason, until: until)]
            }
        }
        return [
            .startContainer(
                name: container.name, attempt: observed.nextAttempt(container.name), sandbox: sandbox)
        ]
    }

    /// The delay before the restart of a run, as far as the runtime knows.
    func remembered(_ run: ObservedContainer) -> BackOff? {
        .remembered(attempt: run.attempt, createdAt: run.created, backoff.policy)
    }
}
