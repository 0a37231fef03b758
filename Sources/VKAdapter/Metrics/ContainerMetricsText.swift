import KubeAPI
import Proto

/// `/metrics/cadvisor`: what containers and pods use, under cAdvisor's names and labels. What the runtime measures itself
/// under those names comes along.
struct ContainerMetricsText {
    let sample: StatsSample
    var runtime = RuntimeMetrics()
    var isPartial = false

    var text: String {
        var text = PrometheusText()
        text.one(
            "cadvisor_version_info", .gauge,
            "A metric with a constant '1' value labeled by kernel version, OS version, docker version, cadvisor version "
                + "& cadvisor revision.", 1, [("cadvisorVersion", ""), ("osVersion", "")])
        var own = Families()
        for pod in sample.pods {
            for container in pod.containers { add(container, of: pod, to: &own) }
            add(pod, to: &own)
        }
        own.write(to: &text)
        runtimeFamilies(without: own.names, to: &text)
        machine(&text)
        text.one(
            "container_scrape_error", .gauge,
            "1 if there was an error while getting container metrics, 0 otherwise",
            sample.isPartial || isPartial ? 1 : 0)
        return text.text
    }

    private func labels(_ pod: PodUsage, _ container: ContainerUsage?) -> PrometheusText.Labels {
        let id = container?.id ?? pod.sandboxID
        return [
            ("container", container?.name ?? ""), ("id", "/" + id), ("image", container?.image ?? ""), ("name", id),
            ("namespace", pod.namespace), ("pod", pod.name),
        ]
    }

    private func add(_ container: ContainerUsage, of pod: PodUsage, to families: inout Families) {
        let labels = labels(pod, container)
        if let total = container.cpu?.usageCoreNanoSeconds?.value {
            families.add(
                "container_cpu_usage_seconds_total", .counter, "Cumulative cpu time consumed in seconds.",
                labels + [("cpu", "total")], Double(total) / 1e9, container.cpu?.timestamp)
        }
        let memory = container.memory
        for (name, help, value) in [
            (
                "container_memory_usage_bytes",
                "Current memory usage in bytes, including all memory regardless of when it was accessed",
                memory?.usageBytes
            ),
            ("container_memory_working_set_bytes", "Current working set in bytes.", memory?.workingSetBytes),
            ("container_memory_rss", "Size of RSS in bytes.", memory?.rssBytes),
        ] {
            guard let bytes = value?.value else { continue }
            families.add(name, .gauge, help, labels, Double(bytes), memory?.timestamp)
        }
        if let start = container.started {
            families.add(
                "container_start_time_seconds", .gauge, "Start time of the container since unix epoch in seconds.",
                labels, Double(start.nanosecondsSince1970) / 1e9, nil)
        }
        if let seen = container.cpu?.timestamp ?? memory?.timestamp {
            families.add(
                "container_last_seen", .gauge, "Last time a container was seen by the exporter", labels,
                (Double(seen) / 1e9).rounded(.down), nil)
        }
        if let layer = container.writableLayer, let bytes = layer.usedBytes?.value {
            families.add(
                "container_fs_usage_bytes", .gauge,
                "Number of bytes that are consumed by the container on this filesystem.",
                labels + [("device", layer.fsId?.mountpoint ?? "")], Double(bytes), layer.timestamp)
        }
    }

    private func add(_ pod: PodUsage, to families: inout Families) {
        guard let network = pod.network else { return }
        let main = network.defaultInterface
        let all = (main.map { [$0] } ?? []) + network.interfaces.filter { $0.name != main?.name }
        for one in all {
            let labels = labels(pod, nil) + [("interface", one.name)]
            for (name, help, value) in [
                ("container_network_receive_bytes_total", "Cumulative count of bytes received", one.rxBytes),
                (
                    "container_network_receive_errors_total",
                    "Cumulative count of errors encountered while receiving", one.rxErrors
                ),
                ("container_network_transmit_bytes_total", "Cumulative count of bytes transmitted", one.txBytes),
                (
                    "container_network_transmit_errors_total",
                    "Cumulative count of errors encountered while transmitting", one.txErrors
                ),
            ] {
                guard let count = value?.value else { continue }
                families.add(name, .counter, help, labels, Double(count), network.timestamp)
            }
        }
    }

    /// What of the runtime's is about our pods, and has a name of its own.
    private func runtimeFamilies(without known: Set<String>, to text: inout PrometheusText) {
        let own = Set(sample.pods.map(\.sandboxID))
        let metrics = runtime.pods.filter { own.contains($0.podSandboxId) }
            .flatMap { $0.metrics + $0.containerMetrics.flatMap(\.metrics) }
        let byName = Dictionary(grouping: metrics, by: \.name)
        for descriptor in runtime.descriptors.sorted(by: { $0.name < $1.name }) where !known.contains(descriptor.name) {
            guard let members = byName[descriptor.name], let first = members.first else { continue }
            text.family(descriptor.name, first.metricType == .gauge ? .gauge : .counter, descriptor.help)
            for metric in members where metric.labelValues.count == descriptor.labelKeys.count {
                text.sample(
                    descriptor.name, zip(descriptor.labelKeys, metric.labelValues).map { (name: $0.0, value: $0.1) },
                    Double(metric.value?.value ?? 0), time: metric.timestamp)
            }
        }
    }

    private func machine(_ text: inout PrometheusText) {
        guard let node = sample.node else { return }
        text.one("machine_cpu_cores", .gauge, "Number of logical CPU cores.", Double(node.processors))
        if let memory = node.memory {
            text.one(
                "machine_memory_bytes", .gauge, "Amount of memory installed on the machine.", Double(memory.capacity))
        }
        if let swap = node.swap {
            text.one(
                "machine_swap_bytes", .gauge, "Amount of swap memory available on the machine.",
                Double(swap.available &+ swap.usage))
        }
    }

    /// Samples by family, each family together as the format wants it.
    private struct Families {
        private struct Family {
            var kind: PrometheusText.Kind
            var help: String
            var samples: [(PrometheusText.Labels, Double, Int64?)] = []
        }
        private var families: [String: Family] = [:]
        var names: Set<String> { Set(families.keys) }

        mutating func add(
            _ name: String, _ kind: PrometheusText.Kind, _ help: String, _ labels: PrometheusText.Labels,
            _ value: Double, _ time: Int64?
        ) {
            families[name, default: Family(kind: kind, help: help)].samples.append((labels, value, time))
        }

        func write(to text: inout PrometheusText) {
            for (name, family) in families.sorted(by: { $0.key < $1.key }) {
                text.family(name, family.kind, family.help)
                for (labels, value, time) in family.samples { text.sample(name, labels, value, time: time) }
            }
        }
    }
}
