import KubeAPI
import Logging

/// Keeps a node alive that runs short of memory or disk: says so, removes images nobody uses, and then ends one pod after the
/// other (kubelet `eviction_manager`).
actor EvictionManager {
    struct Intervals: Sendable {
        var look: Duration = .seconds(10)
        /// For a pod that was ended to be gone, before the next is.
        var settle: Duration = .seconds(30)
        /// How long a pressure is told after it was seen last.
        var transition: Duration = .seconds(300)
    }

    private var state: EvictionState
    private let intervals: Intervals
    private let levels: @Sendable () async throws -> [EvictionSignal: EvictionLevel]
    private let candidates: @Sendable () async throws -> [EvictionCandidate]
    /// Whether somebody has said how much of the disk a pod may take.
    private let hasLimits: @Sendable () -> Bool
    private let collectImages: @Sendable () async throws -> Void
    private let evict: @Sendable (_ uid: String, _ reason: WaitingReason, _ grace: Int64) -> Void
    /// Seconds for a pod that goes for a threshold that waits.
    private let mostGrace: Int64
    private let tell: @Sendable (NodePressure) async -> Void
    private let metrics: AdapterMetrics?
    private let events: EventRecorder?
    private let node: ObjectReference
    private let now: @Sendable () -> Timestamp
    private let logger: Logger
    private var ending: (uid: String, since: Timestamp)?

    /// - Parameters:
    ///   - levels: what is left of everything.
    ///   - candidates: the node's pods, and what they take; asked only when somebody may have to go.
    init(
        thresholds: [EvictionThreshold], intervals: Intervals = Intervals(), mostGrace: Int64 = 0,
        nodeName: String, events: EventRecorder?, metrics: AdapterMetrics? = nil, logger: Logger,
        now: @escaping @Sendable () -> Timestamp = { Timestamp.now() },
        levels: @escaping @Sendable () async throws -> [EvictionSignal: EvictionLevel],
        candidates: @escaping @Sendable () async throws -> [EvictionCandidate],
        hasLimits: @escaping @Sendable () -> Bool = { false },
        collectImages: @escaping @Sendable () async throws -> Void,
        evict: @escaping @Sendable (_ uid: String, _ reason: WaitingReason, _ grace: Int64) -> Void,
        tell: @escaping @Sendable (NodePressure) async -> Void
    ) {
        state = EvictionState(thresholds: thresholds, transition: intervals.transition)
        self.mostGrace = mostGrace
        self.hasLimits = hasLimits
        self.intervals = intervals
        self.events = events
        self.logger = logger
        self.now = now
        self.levels = levels
        self.candidates = candidates
        self.collectImages = collectImages
        self.evict = evict
        self.tell = tell
        self.metrics = metrics
        node = ObjectReference(node: nodeName)
    }

    /// Runs until the task is cancelled.
    func run() async {
        while !Task.isCancelled {
            do {
                try await look()
            } catch {
                if Task.isCancelled { return }
                logger.warning("cannot learn whether the node is short of anything: \(error)")
            }
            do { try await Task.sleep(for: intervals.look) } catch { return }
        }
    }

    /// One look, and at most one pod that has to go for what all of them lack.
    func look() async throws {
        // Nobody has to be asked where nothing is too little.
        var met = state.look(state.thresholds.isEmpty ? [:] : try await levels(), now: now())
        await tell(state.pressure)
        if try await endExcessive() { return }
        guard let first = met.first else { return ending = nil }
        events?.record(
            node, .warning, "EvictionThresholdMet", "Attempting to reclaim \(first.threshold.signal.resource)")
        logger.warning("the node is short of \(first.threshold.signal.rawValue): \(first.level.available) are left")
        if first.threshold.signal.isDisk {
            // Whoever is ended would leave its image behind anyway.
            do {
                try await collectImages()
            } catch {
                try Task.checkCancellation()
                logger.warning("cannot remove images: \(error)")
            }
            met = state.look(try await levels(), now: now())
        }
        guard let (threshold, level) = met.first else { return }
        let candidates = try await candidates()
        if let ending, now().since(ending.since) < intervals.settle,
            candidates.contains(where: { $0.pod.metadata.uid == ending.uid && !$0.pod.isOver })
        {
            return
        }
        guard let victim = Eviction.order(candidates, for: threshold.signal).first else {
            return logger.error("the node is short of \(threshold.signal.rawValue), and no pod can be ended for it")
        }
        ending = (victim.pod.metadata.uid, now())
        metrics?.count(AdapterMetrics.evictions, ["eviction_signal": threshold.signal.rawValue])
        let why = Eviction.message(victim, threshold, level)
        evict(
            victim.pod.metadata.uid, WaitingReason("Evicted", why, disruption: why),
            Eviction.grace(victim.pod, threshold, most: mostGrace))
    }

    /// Ends pods that take more of the disk than they may.
    /// - Returns: whether there were any.
    private func endExcessive() async throws -> Bool {
        guard hasLimits() else { return false }
        var hasEnded = false
        for candidate in try await candidates() where !candidate.pod.isOver && !candidate.pod.isCritical {
            guard candidate.pod.metadata.deletionTimestamp == nil, let why = Eviction.excess(candidate) else {
                continue
            }
            evict(candidate.pod.metadata.uid, WaitingReason("Evicted", why), Eviction.immediate)
            hasEnded = true
        }
        return hasEnded
    }
}
