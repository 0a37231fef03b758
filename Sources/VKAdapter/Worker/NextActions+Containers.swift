import KubeAPI
import Proto

extension Planner {
    /// The next steps of containers in a sandbox that is up.
    func containers() -> [Action] {
        guard let sandbox = observed.readySandbox else { return [] }
        let hasInitialized = pod.spec.containers.contains { observed.current($0.name) != nil }
        var actions = ephemeral(sandbox.id)
        for container in pod.spec.initContainers {
            let run = observed.current(container.name)
            if container.isSidecar {
                actions += steps(container, run, sandbox.id)
                // Those behind it wait until it has started.
                let isStarting = facts.starting.contains(container.name) || busy.contains(.container(container.name))
                if !hasInitialized, run?.isRunning != true || isStarting { return actions }
            } else if !hasInitialized {
                guard let run, run.status.state == .containerExited, run.status.exitCode == 0 else {
                    return actions + steps(container, run, sandbox.id, isInit: true)
                }
            }
        }
        var isBlocked = false
        for container in pod.spec.containers {
            var next = steps(container, observed.current(container.name), sandbox.id)
            if isBlocked { next.removeAll(where: \.isStart) }
            actions += next
            // Those behind one with a postStart hook wait until that is done.
            guard container.lifecycle?.postStart != nil else { continue }
            let subject = Action.Subject.container(container.name)
            let starts = next.contains(where: \.isStart) && backoff.hold(subject, now: now) == nil
            if starts || busy.contains(subject) { isBlocked = true }
        }
        return actions
    }

    /// Ephemeral containers start as soon as there is a sandbox, and once.
    private func ephemeral(_ sandbox: String) -> [Action] {
        pod.spec.ephemeralContainers.compactMap { container in
            guard let run = observed.newest(container.name) else {
                // The cluster remembers an end that the runtime has forgotten, and takes none of them back.
                let known = pod.status.ephemeralContainerStatuses.first { $0.name == container.name }
                if known?.state.terminated != nil { return nil }
                return .startContainer(name: container.name, attempt: 0, sandbox: sandbox)
            }
            guard run.status.state == .containerCreated, run.sandboxID == sandbox,
                !backoff.unstartable.contains(run.id)
            else { return nil }
            return .startCreated(id: run.id, name: run.name)
        }
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
            if let failure = facts.failed[run.id] {
                let isLast = (container.restartPolicy ?? pod.spec.restartPolicy) == .never
                let text = "Container \(run.name) failed \(failure.kind.rawValue.lowercased()) probe"
                return [
                    .stopContainer(
                        id: run.id, name: run.name, grace: failure.grace.map { max(2, $0) } ?? grace,
                        why: isLast ? text : "\(text), will be restarted")
                ]
            }
            if let restart = facts.resized[run.id] {
                if !restart { return [.resize(id: run.id, name: run.name)] }
                return [
                    .stopContainer(
                        id: run.id, name: run.name, grace: grace,
                        why: "Container \(run.name) resize requires restart")
                ]
            }
            guard !isInit, let hash = run.hash, hash != PodMapping.hash(container) else { return [] }
            return [
                .stopContainer(
                    id: run.id, name: run.name, grace: grace,
                    why: "Container \(run.name) definition changed, will be restarted")
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
