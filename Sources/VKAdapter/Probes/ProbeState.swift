import KubeAPI

/// What one probe of one container has found so far, and when it looks again (kubelet `prober/worker.go`). Pure: it has no
/// clock and asks nobody.
struct ProbeState: Sendable, Hashable {
    enum Kind: String, Sendable, Hashable, CaseIterable {
        case startup = "Startup"
        case readiness = "Readiness"
        case liveness = "Liveness"
    }

    /// How one look ended.
    enum Outcome: Sendable, Hashable {
        case success
        /// What the container answered, or why it did not.
        case failure(String)
        /// Nobody could ask: it counts for nothing.
        case unknown(String)
    }

    /// The container as it runs now.
    struct Run: Sendable, Hashable {
        var id: String
        var startedAt: Timestamp
        /// Its start-up probe, where it has one, has succeeded and its postStart hook is done.
        var hasStarted: Bool
        /// A machine that nobody has reached yet: whether it is alive is not asked, or it would never come up.
        var isBooting = false
    }

    enum Step: Sendable, Hashable {
        /// Nothing to ask until something changes.
        case rest
        case wait(until: Timestamp)
        case probe
    }

    let kind: Kind
    var probe: Probe
    /// The run the result is of.
    private(set) var containerID: String?
    /// Whether the container is started, ready, or alive. Until the first look it is neither started nor ready, but alive.
    private(set) var isGood: Bool
    private var last: Bool?
    private var streak: Int32 = 0
    /// It failed for good: it is stopped, and asked again when it runs anew.
    private var isOnHold = false
    private var next: Timestamp?

    init(_ kind: Kind, _ probe: Probe) {
        self.kind = kind
        self.probe = probe
        isGood = kind == .liveness
    }

    private var period: Duration { .seconds(max(1, Int64(probe.periodSeconds))) }
    var timeout: Duration { .written(seconds: max(1, Int64(probe.timeoutSeconds))) }

    /// What to do now.
    /// - Parameters:
    ///   - run: the container; `nil` while it does not run.
    ///   - known: what was found of this run before the adapter started, if it is known.
    ///   - spread: how much of a period the first look at a container that ran before the adapter did is put off, so that
    ///     not all are looked at at once.
    mutating func step(_ run: Run?, now: Timestamp, known: Bool? = nil, spread: Double = 0) -> Step {
        guard let run else {
            if containerID != nil, kind != .liveness { isGood = false }
            return .rest
        }
        if run.id != containerID {
            let wasKnown = known == true && kind != .liveness
            containerID = run.id
            isGood = wasKnown || kind == .liveness
            last = nil
            streak = 0
            isOnHold = false
            let first = run.startedAt.advanced(by: .seconds(Int64(probe.initialDelaySeconds)))
            next = max(first, known == nil ? now : now.advanced(by: period * min(max(spread, 0), 1)))
        }
        if isOnHold || (kind == .startup && isGood) || (kind != .startup && !run.hasStarted)
            || (kind == .liveness && run.isBooting)
        {
            return .rest
        }
        guard let next, now < next else { return .probe }
        return .wait(until: next)
    }

    /// Takes the outcome of a look that began at `began`.
    /// - Returns: whether the result is another one than before.
    mutating func take(_ outcome: Outcome, of id: String, began: Timestamp, now: Timestamp) -> Bool {
        guard id == containerID else { return false }
        next = max(now, began.advanced(by: period))
        let succeeded: Bool
        switch outcome {
        case .unknown: return false
        case .success: succeeded = true
        case .failure: succeeded = false
        }
        streak = last == succeeded ? streak + 1 : 1
        last = succeeded
        guard streak >= max(1, succeeded ? probe.successThreshold : probe.failureThreshold) else { return false }
        if !succeeded, kind != .readiness {
            isOnHold = true
            streak = 0
        }
        let isNews = isGood != succeeded || isOnHold
        isGood = succeeded
        return isNews
    }

    /// The run failed for good: it has to be stopped.
    var failedRun: String? { isOnHold ? containerID : nil }
}

extension Container {
    func probe(_ kind: ProbeState.Kind) -> Probe? {
        switch kind {
        case .startup: startupProbe
        case .readiness: readinessProbe
        case .liveness: livenessProbe
        }
    }
}
