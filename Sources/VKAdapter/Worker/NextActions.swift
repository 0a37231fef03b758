import KubeAPI
import Proto

/// What to do next for a pod that should run (kubelet `computePodActions`). A pure function: it looks at what the runtime
/// has, and everything it needs to know of the past is there. Steps that are given together may run together; when one
/// has ended the function is asked again.
///
/// - Parameters:
///   - spec: the pod, with defaults.
///   - observed: what the runtime has of it.
///   - backoff: what failed lately.
///   - busy: what steps that still run are working on.
///   - facts: what probes and hooks say.
///   - isEnded: the pod failed as a whole (deadline, eviction): what runs is stopped, nothing starts.
func nextActions(
    spec: Pod, observed: ObservedPod, backoff: BackOffs, now: Timestamp, busy: Set<Action.Subject> = [],
    facts: ContainerFacts = ContainerFacts(), isEnded: Bool = false
) -> [Action] {
    if busy.contains(.sandbox) { return [] }
    let planner = Planner(pod: spec, observed: observed, backoff: backoff, now: now, busy: busy, facts: facts)
    if isEnded || planner.isDone { return planner.held(planner.end()).filter { !busy.contains($0.subject) } }
    var actions = planner.leftovers()
    if observed.readySandbox == nil {
        // Steps of containers end first: they belong to the sandbox that goes.
        if busy.isEmpty { actions += planner.newSandbox() }
    } else {
        actions += planner.containers()
    }
    return planner.held(actions).filter { !busy.contains($0.subject) }
}

/// Whether nothing of the pod will ever run again.
func isDone(spec: Pod, observed: ObservedPod, backoff: BackOffs, now: Timestamp) -> Bool {
    Planner(pod: spec, observed: observed, backoff: backoff, now: now).isDone
}

/// What to do next for a pod that has to go: stop, remove, forget.
func removalActions(spec: Pod, observed: ObservedPod, backoff: BackOffs, now: Timestamp, busy: Set<Action.Subject> = [])
    -> [Action]
{
    if busy.contains(.sandbox) { return [] }
    let planner = Planner(pod: spec, observed: observed, backoff: backoff, now: now)
    let stops = planner.end()
    if !stops.isEmpty || !busy.isEmpty { return planner.held(stops).filter { !busy.contains($0.subject) } }
    if !observed.containers.isEmpty {
        return planner.held(observed.containers.map { .removeContainer(id: $0.id, name: $0.name) })
    }
    return planner.held([observed.sandboxes.last.map { .removeSandbox(id: $0.id) } ?? .removeData])
}

struct Planner {
    let pod: Pod
    let observed: ObservedPod
    let backoff: BackOffs
    let now: Timestamp
    var busy: Set<Action.Subject> = []
    var facts = ContainerFacts()

    /// Seconds between the stop signal and the kill; a container always gets two.
    var grace: Int64 {
        max(
            2, pod.metadata.deletionGracePeriodSeconds ?? facts.endGrace ?? pod.spec.terminationGracePeriodSeconds ?? 30
        )
    }

    /// Steps that failed lately wait.
    func held(_ actions: [Action]) -> [Action] {
        actions.map { action in
            if case .wait = action { return action }
            guard let hold = backoff.hold(action.subject, now: now) else { return action }
            let name =
                switch action.subject {
                case .sandbox: ""
                case .container(let name): name
                case .run(let id): id
                }
            return .wait(name: name, reason: hold.reason, until: hold.until)
        }
    }

    // MARK: Whether a container is started again

    /// Whether the run of a container that ended is followed by another.
    func isFollowed(_ run: ObservedContainer, _ container: Container, isInit: Bool = false) -> Bool {
        if !isInit, let hash = run.hash, hash != PodMapping.hash(container) { return true }
        // It was stopped to be started again: how it took that does not matter.
        if backoff.stopped.contains(run.id), (container.restartPolicy ?? pod.spec.restartPolicy) != .never {
            return true
        }
        return pod.restarts(container, after: run.status.exitCode, isInit: isInit)
    }

    /// Whether nothing of the pod will ever run again.
    var isDone: Bool {
        let hasStarted = pod.spec.containers.contains { observed.newest($0.name) != nil }
        if !hasStarted {
            let isHopeless = pod.spec.initContainers.contains { container in
                guard !container.isSidecar, let run = observed.newest(container.name) else { return false }
                return run.status.state == .containerExited && run.status.exitCode != 0
                    && !isFollowed(run, container, isInit: true)
            }
            if isHopeless || pod.spec.restartPolicy == .never { return isHopeless }
        }
        if pod.neverEnds { return false }
        return pod.spec.containers.allSatisfy { container in
            guard let run = observed.newest(container.name) else {
                // With a pod that is never restarted the end of its sandbox ends those that never started.
                return pod.spec.restartPolicy == .never && hasStarted && observed.readySandbox == nil
            }
            switch run.status.state {
            case .containerExited: return !isFollowed(run, container)
            case .containerRunning: return false
            default:
                return pod.spec.restartPolicy == .never
                    && (observed.readySandbox?.id != run.sandboxID || backoff.unstartable.contains(run.id))
            }
        }
    }

    // MARK: The sandbox

    func newSandbox() -> [Action] {
        let attempt = observed.sandbox.map { ($0.metadata?.attempt ?? 0) &+ 1 } ?? 0
        return [.createSandbox(attempt: attempt, replacing: observed.sandbox?.id)]
    }

    /// What older sandboxes left: one that still is up is stopped, and of the runs of a container that ended the two
    /// newest are kept, for their logs.
    func leftovers() -> [Action] {
        var actions: [Action] = []
        for old in observed.sandboxes.dropFirst() {
            if old.state == .sandboxReady {
                actions.append(.stopSandbox(id: old.id))
            } else if !observed.containers.contains(where: { $0.sandboxID == old.id }) {
                actions.append(.removeSandbox(id: old.id))
            }
        }
        var seen: [String: Int] = [:]
        for run in observed.containers {
            seen[run.name, default: 0] += 1
            guard seen[run.name, default: 0] > 2, !run.isRunning else { continue }
            actions.append(.removeContainer(id: run.id, name: run.name))
        }
        return actions
    }

    /// Stops what runs, then the sandbox. All stops are given together: each waits for its turn (``TerminationOrder``), but
    /// the hooks that go before it run at once.
    func end() -> [Action] {
        let alive = observed.containers.filter {
            $0.status.state == .containerRunning || $0.status.state == .containerUnknown
        }
        if !alive.isEmpty { return alive.map(stop) }
        return observed.sandboxes.filter { $0.state == .sandboxReady }.map { .stopSandbox(id: $0.id) }
    }

    private func stop(_ run: ObservedContainer) -> Action {
        .stopContainer(id: run.id, name: run.name, grace: grace, why: "Stopping container \(run.name)")
    }
}
