import KubeAPI

/// How long to wait before the next try, doubling with each one (client-go `flowcontrol.Backoff`).
struct BackOff: Sendable, Hashable {
    struct Policy: Sendable, Hashable {
        var initial: Duration
        var maximum: Duration
        /// After so long without trouble the first delay is used again.
        var reset: Duration

        /// Of containers that end, and of images that cannot be pulled.
        static let kubelet = Policy(initial: .seconds(10), maximum: .seconds(300), reset: .seconds(600))
        /// Of volumes that cannot be made (kubelet `exponentialbackoff`).
        static let mounts = Policy(initial: .milliseconds(500), maximum: .seconds(122), reset: .seconds(600))
    }

    var delay: Duration
    /// When the delay was set.
    var since: Timestamp

    /// Whether what happened at `event` is too long after the delay was set to count.
    func hasExpired(at event: Timestamp, _ policy: Policy) -> Bool { event.since(since) > policy.reset }

    /// The delay after one more try at `now`, caused by what happened at `event`.
    static func next(_ old: BackOff?, event: Timestamp, now: Timestamp, _ policy: Policy) -> BackOff {
        guard let old, !old.hasExpired(at: event, policy) else { return BackOff(delay: policy.initial, since: now) }
        return BackOff(delay: min(old.delay * 2, policy.maximum), since: now)
    }

    /// The delay an adapter that had seen every restart would have now, from what the runtime remembers: the number of
    /// restarts and when the last one was made. A restart of the adapter restarts nobody sooner.
    static func remembered(attempt: UInt32, createdAt: Timestamp, _ policy: Policy) -> BackOff? {
        guard attempt > 0 else { return nil }
        var delay = policy.initial
        var doublings = attempt - 1
        while doublings > 0, delay < policy.maximum {
            delay *= 2
            doublings -= 1
        }
        return BackOff(delay: min(delay, policy.maximum), since: createdAt)
    }
}

/// What a worker remembers of its pod's failures. Nothing in it must survive a restart.
struct BackOffs: Sendable {
    /// A step that failed and is not tried again before `until`.
    struct Hold: Sendable, Hashable {
        var reason: WaitingReason
        var until: Timestamp
        /// What the reason becomes with time, and when.
        var later: WaitingReason?
        var turns: Timestamp?
    }

    var policy = BackOff.Policy.kubelet
    var mountPolicy = BackOff.Policy.mounts
    /// Between tries of a step that failed for other reasons (kubelet `backOffPeriod`).
    var retry: Duration = .seconds(10)
    /// Restarts, by container name.
    private(set) var restarts: [String: BackOff] = [:]
    /// Failed pulls, by image.
    private(set) var pulls: [String: BackOff] = [:]
    /// Failed steps, by what they work on.
    private(set) var holds: [Action.Subject: Hold] = [:]
    /// Containers that were made and could not be started, by id.
    private(set) var unstartable: Set<String> = []

    /// Of volumes that cannot be made.
    private(set) var mounts: BackOff?

    /// Runs that were stopped in order to be started anew, by id.
    private(set) var stopped: Set<String> = []

    /// Until when a container that ended has to wait; `nil` when it may start.
    func restartDelay(_ name: String, ended: Timestamp, remembered: BackOff?, now: Timestamp)
        -> (delay: Duration, until: Timestamp)?
    {
        guard let entry = restarts[name] ?? remembered, !entry.hasExpired(at: ended, policy) else { return nil }
        let until = ended.advanced(by: entry.delay)
        return now < until ? (entry.delay, until) : nil
    }

    mutating func restarted(_ name: String, ended: Timestamp, remembered: BackOff?, now: Timestamp) {
        restarts[name] = .next(restarts[name] ?? remembered, event: ended, now: now, policy)
    }

    /// What keeps a step from being tried.
    func hold(_ subject: Action.Subject, now: Timestamp) -> Hold? {
        guard var hold = holds[subject], now < hold.until else { return nil }
        guard let later = hold.later, let turns = hold.turns else { return hold }
        if now < turns { hold.until = min(hold.until, turns) } else { hold.reason = later }
        return hold
    }

    /// What steps that are tried again failed for last: that holds until this try has ended. By name of what waits, as the
    /// status has it; empty is the sandbox.
    func reasons(of tried: Set<Action.Subject>) -> [String: WaitingReason] {
        var reasons: [String: WaitingReason] = [:]
        for subject in tried {
            guard let hold = holds[subject] else { continue }
            switch subject {
            case .sandbox: reasons[""] = hold.later ?? hold.reason
            case .container(let name): reasons[name] = hold.later ?? hold.reason
            case .run: break
            }
        }
        return reasons
    }

    /// A pull failed. The reason is `ErrImagePull` at first and `ImagePullBackOff` then, as one sync of the kubelet
    /// follows the other.
    mutating func pullFailed(_ name: String, image: String, cause: String, now: Timestamp) {
        let entry = BackOff.next(pulls[image], event: now, now: now, policy)
        pulls[image] = entry
        holds[.container(name)] = Hold(
            reason: .errImagePull(cause), until: now.advanced(by: entry.delay),
            later: .imagePullBackOff(image: image, cause: cause), turns: now.advanced(by: entry.delay / 2))
    }

    /// The volumes could not be made.
    mutating func mountFailed(_ subject: Action.Subject, _ reason: WaitingReason, now: Timestamp) {
        let entry = BackOff.next(mounts, event: now, now: now, mountPolicy)
        mounts = entry
        holds[subject] = Hold(reason: reason, until: now.advanced(by: entry.delay))
    }

    mutating func mounted() { mounts = nil }

    /// Another step failed.
    /// - Parameter after: when it is tried again; ``retry`` where `nil`.
    mutating func failed(_ subject: Action.Subject, _ reason: WaitingReason, now: Timestamp, after: Duration? = nil) {
        holds[subject] = Hold(reason: reason, until: now.advanced(by: after ?? retry))
    }

    mutating func couldNotStart(id: String) { unstartable.insert(id) }

    mutating func stoppedForRestart(id: String) { stopped.insert(id) }

    /// A pull went well.
    mutating func pulled(_ image: String) { pulls[image] = nil }

    /// The step went well.
    mutating func succeeded(_ subject: Action.Subject) { holds[subject] = nil }

    /// What somebody waits for may be there: objects, volumes.
    mutating func forgetWants() {
        holds = holds.filter { !["ContainerCreating", "CreateContainerConfigError"].contains($0.value.reason.reason) }
    }

    /// A new specification starts afresh.
    mutating func forget(_ name: String) {
        holds[.container(name)] = nil
        restarts[name] = nil
    }
}
