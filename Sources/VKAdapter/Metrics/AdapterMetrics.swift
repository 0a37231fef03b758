import NIOConcurrencyHelpers

/// What the adapter counts of its own work, under the kubelet's names.
final class AdapterMetrics: Sendable {
    struct Family: Sendable {
        var name: String
        var help: String
        /// `nil` for a counter.
        var buckets: [Double]?
    }

    static let runtimeOperations = Family(
        name: "kubelet_runtime_operations_total",
        help: "[ALPHA] Cumulative number of runtime operations by operation type.")
    static let runtimeErrors = Family(
        name: "kubelet_runtime_operations_errors_total",
        help: "[ALPHA] Cumulative number of runtime operation errors by operation type.")
    static let runtimeDuration = Family(
        name: "kubelet_runtime_operations_duration_seconds",
        help: "[ALPHA] Duration in seconds of runtime operations. Broken down by operation type.",
        buckets: exponential(from: 0.005, by: 2.5, count: 14))
    static let requests = Family(
        name: "kubelet_http_requests_total",
        help: "[ALPHA] Number of the http requests received since the server started")
    static let requestDuration = Family(
        name: "kubelet_http_requests_duration_seconds", help: "[ALPHA] Duration in seconds to serve http requests",
        buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])
    static let probes = Family(
        name: "prober_probe_total",
        help: "[BETA] Cumulative number of a liveness, readiness or startup probe for a container by result.")
    static let probeDuration = Family(
        name: "prober_probe_duration_seconds",
        help: "[ALPHA] Duration in seconds for a probe response.",
        buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10])

    private static func exponential(from first: Double, by factor: Double, count: Int) -> [Double] {
        var next = first
        return (0..<count).map { _ in
            defer { next *= factor }
            return next
        }
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
            var content = all[key] ?? Content(names: labels.map(\.key))
            content.count += 1
            if let value, let bounds = family.buckets {
                if content.buckets.isEmpty { content.buckets = Array(repeating: 0, count: bounds.count) }
                content.sum += value
                if let place = bounds.firstIndex(where: { value <= $0 }) { content.buckets[place] += 1 }
            }
            all[key] = content
        }
    }

    /// Forgets the series that have this value of a label: what it named is gone.
    func forget(_ label: String, _ value: String) {
        series.withLockedValue { all in
            all = all.filter { key, content in
                !zip(content.names, key.labels).contains { $0.0 == label && $0.1 == value }
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

    /// Notes a call of the runtime.
    func called(_ method: String, _ start: ContinuousClock.Instant, failed: Bool) {
        let operation = Self.operation(method)
        count(Self.runtimeOperations, ["operation_type": operation])
        if failed { count(Self.runtimeErrors, ["operation_type": operation]) }
        observe(Self.runtimeDuration, ["operation_type": operation], start.duration(to: .now))
    }

    /// The kubelet's name of a method of the CRI: `RunPodSandbox` is `run_podsandbox`.
    static func operation(_ method: String) -> String {
        var out = ""
        for character in method.unicodeScalars {
            if character.properties.isUppercase, !out.isEmpty { out += "_" }
            out += character.properties.lowercaseMapping
        }
        return out.replacing("pod_sandbox", with: "podsandbox")
    }
}
