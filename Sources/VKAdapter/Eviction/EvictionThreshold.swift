import KubeAPI

/// When there is too little of something.
struct EvictionThreshold: Sendable, Hashable {
    enum Limit: Sendable, Hashable {
        case quantity(UInt64)
        /// Of the capacity.
        case percent(Double)

        /// In what the level counts.
        func value(_ capacity: UInt64) -> UInt64 {
            switch self {
            case .quantity(let quantity): quantity
            case .percent(let percent): UInt64(Double(capacity) * percent / 100)
            }
        }
    }

    var signal: EvictionSignal
    var limit: Limit
    /// How long it has to be met before somebody has to go; `nil` is at once and without time to end ("hard").
    var grace: Duration?
    /// How much more than the limit has to be free again before it counts as over.
    var reclaim: Limit?

    /// The kubelet's own on this kind of machine.
    static let standard: [EvictionThreshold] = [
        .init(signal: .memory, limit: .quantity(100 << 20)), .init(signal: .nodeDisk, limit: .percent(10)),
        .init(signal: .nodeInodes, limit: .percent(5)), .init(signal: .imageDisk, limit: .percent(15)),
        .init(signal: .imageInodes, limit: .percent(5)),
    ]

    /// In what the level counts.
    func value(_ level: EvictionLevel) -> UInt64 { limit.value(level.capacity) }

    /// - Parameter isOpen: it was met before and is not over.
    func isMet(_ level: EvictionLevel, isOpen: Bool = false) -> Bool {
        guard level.capacity > 0 else { return false }
        let more = isOpen ? reclaim?.value(level.capacity) ?? 0 : 0
        let (wanted, overflow) = value(level).addingReportingOverflow(more)
        return overflow || level.available < wanted
    }
}
