import KubeAPI

/// Which pressure a node is under, from one look after the other. No I/O.
struct EvictionState: Sendable {
    typealias Met = (threshold: EvictionThreshold, level: EvictionLevel)

    /// How long a pressure is told after the last look that found it (`eviction-pressure-transition-period`).
    var transition: Duration = .seconds(300)
    let thresholds: [EvictionThreshold]
    private var lastMet: [EvictionSignal: Timestamp] = [:]
    /// Since when each is met without a break.
    private var since: [EvictionThreshold: Timestamp] = [:]
    /// Those somebody had to go for, until enough is free again.
    private var open: Set<EvictionThreshold> = []

    init(thresholds: [EvictionThreshold] = EvictionThreshold.standard, transition: Duration = .seconds(300)) {
        self.thresholds = thresholds
        self.transition = transition
    }

    /// - Returns: the thresholds that are met and have been for their time, memory first.
    mutating func look(_ levels: [EvictionSignal: EvictionLevel], now: Timestamp) -> [Met] {
        var observed: [Met] = []
        for threshold in thresholds {
            guard let level = levels[threshold.signal],
                threshold.isMet(level, isOpen: open.contains(threshold))
            else { continue }
            lastMet[threshold.signal] = now
            observed.append((threshold, level))
        }
        let before = since
        since = [:]
        for (threshold, _) in observed { since[threshold] = before[threshold] ?? now }
        let met = observed.filter { now.since(since[$0.threshold] ?? now) >= $0.threshold.grace ?? .zero }
        open = Set(met.map(\.threshold))
        lastMet = lastMet.filter { now.since($0.value) <= transition }
        return met.filter { $0.threshold.signal == .memory } + met.filter { $0.threshold.signal != .memory }
    }

    /// What the node says it is short of.
    var pressure: NodePressure {
        NodePressure(
            isShortOfMemory: lastMet[.memory] != nil,
            isShortOfDisk: lastMet.keys.contains { ![.memory, .processes].contains($0) },
            isShortOfProcesses: lastMet[.processes] != nil)
    }
}
