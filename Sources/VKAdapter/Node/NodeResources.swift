import KubeAPI
import NIOConcurrencyHelpers

/// What this node has, and what of it pods may take, as both are now: the host tells them while the adapter runs.
final class NodeResources: Sendable {
    /// What pods do not get (kubelet's node allocatable).
    struct Reserve: Sendable, Hashable {
        /// For the kubelet and the runtime (`--kube-reserved`).
        var kube: [String: Quantity] = [:]
        /// For everything else on the host (`--system-reserved`).
        var system: [String: Quantity] = [:]
        /// Pods are ended before these are touched (`--eviction-hard`).
        var thresholds: [EvictionThreshold] = []

        /// Of a capacity, in thousandths.
        func milliValue(_ name: String, of capacity: Quantity) -> Int64 {
            var sum = (kube[name]?.milliValue ?? 0).saturating(system[name]?.milliValue ?? 0)
            let signal: EvictionSignal? =
                switch name {
                case "memory": .memory
                case NodeResources.disk: .nodeDisk
                default: nil
                }
            if let signal, let threshold = thresholds.first(where: { $0.signal == signal && $0.grace == nil }) {
                let whole = UInt64(clamping: capacity.value)
                let bytes = threshold.value(EvictionLevel(capacity: whole, available: whole))
                sum = sum.saturating(Int64(clamping: bytes).saturatingMilli)
            }
            return sum
        }
    }

    /// The resource of the disk pods' files are on.
    static let disk = "ephemeral-storage"

    let reserve: Reserve
    private let box: NIOLockedValueBox<[String: Quantity]>

    init(capacity: [String: Quantity] = [:], reserve: Reserve = Reserve()) {
        self.reserve = reserve
        box = NIOLockedValueBox(capacity)
    }

    var capacity: [String: Quantity] { box.withLockedValue { $0 } }

    /// The capacity without what is reserved; never less than nothing.
    var allocatable: [String: Quantity] {
        var left = capacity
        for (name, whole) in left {
            let reserved = reserve.milliValue(name, of: whole)
            guard reserved > 0 else { continue }
            let rest = max(0, whole.milliValue - reserved)
            left[name] = name == "cpu" ? Quantity(processors: rest) : Quantity(bytes: rest / 1000)
        }
        return left
    }

    /// What there is of one resource now; `nil` where nobody knows of any.
    func set(_ name: String, _ amount: Quantity?) { box.withLockedValue { $0[name] = amount } }
}

extension Quantity {
    /// Bytes as Kubernetes writes them: in the largest unit of 1024 that leaves no fraction.
    init(bytes: Int64) {
        var (amount, unit) = (bytes, 0)
        let units = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]
        while amount != 0, amount % 1024 == 0, unit + 1 < units.count {
            amount /= 1024
            unit += 1
        }
        self = Quantity("\(amount)\(units[unit])") ?? Quantity(value: bytes)
    }

    /// Thousandths of processors: whole ones where they are.
    init(processors milli: Int64) {
        self =
            milli % 1000 == 0 ? Quantity(value: milli / 1000) : Quantity("\(milli)m") ?? Quantity(value: milli / 1000)
    }
}

extension Int64 {
    fileprivate func saturating(_ other: Int64) -> Int64 {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }

    fileprivate var saturatingMilli: Int64 {
        let (product, overflow) = multipliedReportingOverflow(by: 1000)
        return overflow ? .max : product
    }
}
