import KubeAPI

/// What a pod takes that others lack.
struct EvictionCandidate: Sendable {
    /// Bytes one container takes.
    struct Usage: Sendable, Hashable {
        var memory: UInt64 = 0
        var disk: UInt64 = 0

        func value(_ signal: EvictionSignal) -> UInt64 {
            switch signal {
            case .memory: memory
            case .processes: 0
            default: disk
            }
        }
    }

    var pod: Pod
    /// By container.
    var containers: [String: Usage] = [:]
    /// Bytes in its volumes.
    var volumes: UInt64 = 0

    func usage(_ signal: EvictionSignal) -> UInt64 {
        containers.values.reduce(signal.isDisk ? volumes : 0) { $0 &+ $1.value(signal) }
    }

    /// What it asked for, which it may use before others have to go for it.
    func request(_ signal: EvictionSignal) -> UInt64 {
        signal.isBytes ? UInt64(clamping: Admission.request(pod, signal.resource) / 1000) : 0
    }

    func exceeds(_ signal: EvictionSignal) -> Bool { usage(signal) > request(signal) }
    func above(_ signal: EvictionSignal) -> Int64 {
        Int64(clamping: usage(signal)) - Int64(clamping: request(signal))
    }
}

enum Eviction {
    /// Seconds a pod has to end that goes at once (kubelet `immediateEvictionGracePeriodSeconds`).
    static let immediate: Int64 = 1

    /// Who goes first: those that use more than they asked for, of lower priority, that use most above what they asked
    /// for. Critical pods and those that are ending anyway are not among them.
    static func order(_ candidates: [EvictionCandidate], for signal: EvictionSignal) -> [EvictionCandidate] {
        candidates.filter { !$0.pod.isCritical && !$0.pod.isOver && $0.pod.metadata.deletionTimestamp == nil }
            .sorted { left, right in
                let (exceedsLeft, exceedsRight) = (left.exceeds(signal), right.exceeds(signal))
                if exceedsLeft != exceedsRight { return exceedsLeft }
                let (low, high) = (left.pod.spec.priority ?? 0, right.pod.spec.priority ?? 0)
                if low != high { return low < high }
                let (more, less) = (left.above(signal), right.above(signal))
                return more != less ? more > less : left.pod.metadata.uid < right.pod.metadata.uid
            }
    }

    /// Seconds a pod gets to end.
    /// - Parameter most: for a threshold that waits (`eviction-max-pod-grace-period`).
    static func grace(_ pod: Pod, _ threshold: EvictionThreshold, most: Int64) -> Int64 {
        guard threshold.grace != nil else { return immediate }
        return min(most, pod.spec.terminationGracePeriodSeconds ?? most)
    }

    /// The kubelet's words for why a pod has to go.
    static func message(_ candidate: EvictionCandidate, _ threshold: EvictionThreshold, _ level: EvictionLevel)
        -> String
    {
        let signal = threshold.signal
        func text(_ value: UInt64) -> String {
            signal.isBytes ? Quantity(bytes: Int64(clamping: value)).text : "\(value)"
        }
        var words =
            "The node was low on resource: \(signal.resource). Threshold quantity: "
            + "\(text(threshold.value(level))), available: \(text(level.available)). "
        guard signal.isBytes else { return words }
        for container in candidate.pod.spec.containers + candidate.pod.spec.initContainers {
            guard let used = candidate.containers[container.name]?.value(signal) else { continue }
            let request = container.resources.requests[signal.resource]
            guard used > UInt64(clamping: request?.value ?? 0) else { continue }
            words +=
                "Container \(container.name) was using \(text(used)), request is \(request?.text ?? "0"), has larger "
                + "consumption of \(signal.resource). "
        }
        return words
    }

    /// Why a pod has to go that takes more of the disk than it may; `nil` where it does not.
    static func excess(_ candidate: EvictionCandidate) -> String? {
        let pod = candidate.pod
        func limit(_ container: Container) -> Int64 {
            max(0, container.resources.limits[NodeResources.disk]?.value ?? 0)
        }
        let running = pod.spec.containers + pod.spec.initContainers.filter(\.isSidecar)
        let sum = running.reduce(Int64(0)) { { sum, more in more > .max - sum ? .max : sum + more }($0, limit($1)) }
        let whole = max(sum, pod.spec.initContainers.map(limit).max() ?? 0)
        // As with a kubelet, also where only some of the containers have a limit.
        if whole > 0, candidate.usage(.nodeDisk) > UInt64(whole) {
            return "Pod ephemeral local storage usage exceeds the total limit of containers "
                + "\(Quantity(bytes: whole).text). "
        }
        for container in pod.spec.containers {
            guard let limit = container.resources.limits[NodeResources.disk], limit.value > 0,
                let used = candidate.containers[container.name]?.disk, used > UInt64(limit.value)
            else { continue }
            return "Container \(container.name) exceeded its local ephemeral storage limit \"\(limit.text)\". "
        }
        return nil
    }
}

extension Pod {
    /// Whether somebody has said how much of the disk it may take.
    var hasDiskLimit: Bool {
        spec.containers.contains { ($0.resources.limits[NodeResources.disk]?.value ?? 0) > 0 }
    }
}
