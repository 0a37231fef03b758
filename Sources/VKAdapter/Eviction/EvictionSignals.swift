import KubeAPI

/// What a node runs short of (kubelet `eviction`).
enum EvictionSignal: String, Sendable, CaseIterable, Hashable {
    case memory = "memory.available"
    case nodeDisk = "nodefs.available"
    case nodeInodes = "nodefs.inodesFree"
    case imageDisk = "imagefs.available"
    case imageInodes = "imagefs.inodesFree"

    /// What a pod could have asked for.
    var resource: String { self == .memory ? "memory" : isInodes ? "inodes" : "ephemeral-storage" }
    var isInodes: Bool { self == .nodeInodes || self == .imageInodes }
}

/// How much there is of one thing, and how much is left.
struct EvictionLevel: Sendable, Hashable {
    var capacity: UInt64
    var available: UInt64
}

/// When it is too little.
struct EvictionThreshold: Sendable, Hashable {
    enum Limit: Sendable, Hashable {
        case quantity(UInt64)
        /// Of the capacity.
        case percent(UInt64)
    }
    var signal: EvictionSignal
    var limit: Limit

    /// The kubelet's own on this kind of machine.
    static let standard: [EvictionThreshold] = [
        .init(signal: .memory, limit: .quantity(100 << 20)), .init(signal: .nodeDisk, limit: .percent(10)),
        .init(signal: .nodeInodes, limit: .percent(5)), .init(signal: .imageDisk, limit: .percent(15)),
        .init(signal: .imageInodes, limit: .percent(5)),
    ]

    /// In what the level counts.
    func value(_ level: EvictionLevel) -> UInt64 {
        switch limit {
        case .quantity(let quantity): quantity
        case .percent(let percent): UInt64(Double(level.capacity) * Double(percent) / 100)
        }
    }

    func isMet(_ level: EvictionLevel) -> Bool { level.capacity > 0 && level.available < value(level) }
}

/// What a pod takes that others lack.
struct EvictionCandidate: Sendable {
    var pod: Pod
    var memory: UInt64 = 0
    var disk: UInt64 = 0

    func usage(_ signal: EvictionSignal) -> UInt64 { signal == .memory ? memory : disk }

    /// What it asked for, which it may use before others have to go for it.
    func request(_ signal: EvictionSignal) -> UInt64 {
        if signal.isInodes { return 0 }
        let all = pod.spec.containers.map { $0.resources.requests[signal.resource]?.value ?? 0 }
        return UInt64(clamping: all.reduce(0, +))
    }

    /// Whether it is one the node cannot do without.
    var isCritical: Bool { pod.isStatic || pod.isMirror || (pod.spec.priority ?? 0) >= 2_000_000_000 }
}

enum Eviction {
    /// Who goes first: those that use more than they asked for, of lower priority, that use most above what they asked
    /// for. Critical pods and those that are ending anyway are not among them.
    static func order(_ candidates: [EvictionCandidate], for signal: EvictionSignal) -> [EvictionCandidate] {
        candidates.filter { !$0.isCritical && !$0.pod.isOver && $0.pod.metadata.deletionTimestamp == nil }
            .sorted { left, right in
                let (exceedsLeft, exceedsRight) = (left.exceeds(signal), right.exceeds(signal))
                if exceedsLeft != exceedsRight { return exceedsLeft }
                let (low, high) = (left.pod.spec.priority ?? 0, right.pod.spec.priority ?? 0)
                if low != high { return low < high }
                let (more, less) = (left.above(signal), right.above(signal))
                return more != less ? more > less : left.pod.metadata.uid < right.pod.metadata.uid
            }
    }

    /// The kubelet's words for why a pod has to go.
    static func message(
        _ candidate: EvictionCandidate, _ threshold: EvictionThreshold, _ level: EvictionLevel
    ) -> String {
        let signal = threshold.signal
        func text(_ value: UInt64) -> String {
            signal.isInodes ? "\(value)" : "\(Quantity(value: Int64(clamping: value >> 10)))Ki"
        }
        var words =
            "The node was low on resource: \(signal.resource). Threshold quantity: "
            + "\(text(threshold.value(level))), available: \(text(level.available)). "
        if candidate.exceeds(signal), !signal.isInodes {
            words +=
                "Pod \(candidate.pod.metadata.name) was using \(text(candidate.usage(signal))), request is "
                + "\(candidate.request(signal) == 0 ? "0" : text(candidate.request(signal))), has larger consumption of "
                + "\(signal.resource). "
        }
        return words
    }
}

extension EvictionCandidate {
    func exceeds(_ signal: EvictionSignal) -> Bool { usage(signal) > request(signal) }
    func above(_ signal: EvictionSignal) -> Int64 {
        Int64(clamping: usage(signal)) - Int64(clamping: request(signal))
    }
}
