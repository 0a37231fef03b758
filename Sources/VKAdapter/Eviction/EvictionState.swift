import KubeAPI

/// Which pressure a node is under, from one look after the other. No I/O.
struct EvictionState: Sendable {
    /// How long a pressure is told after the last look that found it (`eviction-pressure-transition-period`).
    var transition: Duration = .seconds(300)
    let thresholds: [EvictionThreshold]
    private var lastMet: [EvictionSignal: Timestamp] = [:]

    init(thresholds: [EvictionThreshold] = EvictionThreshold.standard, transition: Duration = .seconds(300)) {
        self.thresholds = thresholds
        self.transition = transition
    }

    /// - Returns: the thresholds that are met now, memory first.
    mutating func look(
        _ levels: [EvictionSignal: EvictionLevel], now: Timestamp
    ) -> [(threshold: EvictionThreshold, level: EvictionLevel)] {
        var met: [(threshold: EvictionThreshold, level: EvictionLevel)] = []
        for threshold in thresholds {
            guard let level = levels[threshold.signal], threshold.isMet(level) else { continue }
            lastMet[threshold.signal] = now
            met.append((threshold, level))
        }
        lastMet = lastMet.filter { now.since($0.value) <= transition }
        return met
    }

    var isShortOfMemory: Bool { lastMet[.memory] != nil }
    var isShortOfDisk: Bool { lastMet.keys.contains { $0 != .memory } }
}
