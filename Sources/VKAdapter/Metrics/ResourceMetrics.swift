import KubeAPI
import Proto

/// `/metrics/resource`: what metrics-server reads for `kubectl top` and autoscaling.
struct ResourceMetrics {
    let sample: StatsSample

    var text: String {
        var text = PrometheusText()
        containers(&text)
        node(&text)
        pods(&text)
        text.one(
            "resource_scrape_error", .gauge,
            "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise", sample.isPartial ? 1 : 0)
        return text.text
    }

    private func labels(_ pod: PodUsage, _ container: ContainerUsage? = nil) -> PrometheusText.Labels {
        (container.map { [("container", $0.name)] } ?? []) + [("namespace", pod.namespace), ("pod", pod.name)]
    }

    private func containers(_ text: inout PrometheusText) {
        let all = sample.pods.flatMap { pod in pod.containers.map { (pod, $0) } }
        text.family(
            "container_cpu_usage_seconds_total", .counter,
            "[STABLE] Cumulative cpu time consumed by the container in core-seconds")
        for (pod, container) in all {
            guard let total = container.cpu?.usageCoreNanoSeconds?.value else { continue }
            text.sample(
                "container_cpu_usage_seconds_total", labels(pod, container), Double(total) / 1e9,
                time: container.cpu?.timestamp)
        }
        text.family(
            "container_memory_working_set_bytes", .gauge, "[STABLE] Current working set of the container in bytes")
        for (pod, container) in all {
            guard let bytes = container.memory?.workingSetBytes?.value else { continue }
            text.sample(
                "container_memory_working_set_bytes", labels(pod, container), Double(bytes),
                time: container.memory?.timestamp)
        }
        text.family(
            "container_start_time_seconds", .gauge,
            "[STABLE] Start time of the container since unix epoch in seconds")
        for (pod, container) in all {
            guard let start = container.started else { continue }
            text.sample(
                "container_start_time_seconds", labels(pod, container), Double(start.nanosecondsSince1970) / 1e9)
        }
        text.family(
            "container_swap_usage_bytes", .gauge, "[ALPHA] Current amount of the container swap usage in bytes.")
        for (pod, container) in all {
            guard let bytes = container.swap?.swapUsageBytes?.value else { continue }
            text.sample(
                "container_swap_usage_bytes", labels(pod, container), Double(bytes), time: container.swap?.timestamp)
        }
    }

    private func node(_ text: inout PrometheusText) {
        guard let node = sample.node else { return }
        let time = node.time.nanosecondsSince1970
        if let total = node.processorNanoseconds {
            text.family(
                "node_cpu_usage_seconds_total", .counter,
                "[STABLE] Cumulative cpu time consumed by the node in core-seconds")
            text.sample("node_cpu_usage_seconds_total", Double(total) / 1e9, time)
        }
        if let memory = node.memory {
            text.family(
                "node_memory_working_set_bytes", .gauge, "[STABLE] Current working set of the node in bytes")
            text.sample("node_memory_working_set_bytes", Double(memory.workingSet), time)
        }
        if let swap = node.swap {
            text.family("node_swap_usage_bytes", .gauge, "[ALPHA] Current swap usage of the node in bytes.")
            text.sample("node_swap_usage_bytes", Double(swap.usage), time)
        }
    }

    private func pods(_ text: inout PrometheusText) {
        text.family(
            "pod_cpu_usage_seconds_total", .counter,
            "[STABLE] Cumulative cpu time consumed by the pod in core-seconds")
        for pod in sample.pods {
            guard let total = pod.cpu?.usageCoreNanoSeconds?.value else { continue }
            text.sample("pod_cpu_usage_seconds_total", labels(pod), Double(total) / 1e9, time: pod.cpu?.timestamp)
        }
        text.family("pod_memory_working_set_bytes", .gauge, "[STABLE] Current working set of the pod in bytes")
        for pod in sample.pods {
            guard let bytes = pod.memory?.workingSetBytes?.value else { continue }
            text.sample("pod_memory_working_set_bytes", labels(pod), Double(bytes), time: pod.memory?.timestamp)
        }
        text.family("pod_swap_usage_bytes", .gauge, "[ALPHA] Current amount of the pod swap usage in bytes.")
        for pod in sample.pods {
            guard let bytes = pod.swap?.swapUsageBytes?.value else { continue }
            text.sample("pod_swap_usage_bytes", labels(pod), Double(bytes), time: pod.swap?.timestamp)
        }
    }
}

extension PrometheusText {
    fileprivate mutating func sample(_ name: String, _ value: Double, _ time: Int64) {
        sample(name, [], value, time: time)
    }
}
