import NIOConcurrencyHelpers

/// What the adapter counts of its own work, under the kubelet's names.
final class AdapterMetrics: Sendable {
    struct Family: Sendable {
        var name: String
        var help: String
        /// `nil` for a counter.
        var buckets: [Double]?
    }

    /// Values in the order of the names.
    private struct Series: Hashable {
        var family: String
        var labels: [String]
    }
    private struct Content {
        var names: [String]
        var count: UInt64 = 0
        var sum = 0.0
        /// Per bucket, not added up.
        var buckets: [UInt64] = []

        mutating func add(_ value: Double?, _ bounds: [Double]?) {
            count += 1
            guard let value, let bounds else { return }
            if buckets.isEmpty { buckets = Array(repeating: 0, count: bounds.count) }
            sum += value
            if let place = bounds.firstIndex(where: { value <= $0 }) { buckets[place] += 1 }
        }
    }

    private let series = NIOLockedValueBox<[Series: Content]>([:])
    /// More label values than anybody reads: a pod that is remade all the time does not fill the memory.
    private let limit = 20000

    func count(_ family: Family, _ labels: KeyValuePairs<String, String>) { add(family, labels, nil) }

    func observe(_ family: Family, _ labels: KeyValuePairs<String, String>, _ time: Duration) {
        let (seconds, attoseconds) = time.components
        add(family, labels, Double(seconds) + Double(attoseconds) / 1e18)
    }

    private func add(_ family: Family, _ labels: KeyValuePairs<String, String>, _ value: Double?) {
        let key = Series(family: family.name, labels: labels.map(\.value))
        series.withLockedValue { all in
            guard all[key] != nil || all.count < limit else { return }
            // In place: a copy would be of all its buckets, at every call of the runtime.
            all[key, default: Content(names: labels.map(\.key))].add(value, family.buckets)
        }
    }

    /// Forgets the series that have all these values of labels: what they named is gone.
    func forget(_ labels: KeyValuePairs<String, String>) {
        series.withLockedValue { all in
            all = all.filter { key, content in
                !labels.allSatisfy { name, value in
                    zip(content.names, key.labels).contains { $0.0 == name && $0.1 == value }
                }
            }
        }
    }

    /// Writes some families.
    func write(_ families: [Family], to text: inout PrometheusText) {
        let all = series.withLockedValue { $0 }
        for family in families {
            let members = all.filter { $0.key.family == family.name }
                .sorted { $0.key.labels.lexicographicallyPrecedes($1.key.labels) }
            guard !members.isEmpty else { continue }
            text.family(family.name, family.buckets == nil ? .counter : .histogram, family.help)
            for (key, content) in members {
                let labels = zip(content.names, key.labels).map { (name: $0.0, value: $0.1) }
                guard let bounds = family.buckets else {
                    text.sample(family.name, labels, Double(content.count))
                    continue
                }
                var total: UInt64 = 0
                for (bound, count) in zip(bounds, content.buckets) {
                    total += count
                    text.sample(
                        family.name + "_bucket", labels + [("le", PrometheusText.number(bound))], Double(total))
                }
                text.sample(family.name + "_bucket", labels + [("le", "+Inf")], Double(content.count))
                text.sample(family.name + "_sum", labels, content.sum)
                text.sample(family.name + "_count", labels, Double(content.count))
            }
        }
    }
}
