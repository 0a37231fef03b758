import Proto
import Testing
import VZEngine

@testable import CRIShim

@Suite struct ContainerMetricsTests {
    private func pod(_ change: (inout Measurement) -> Void = { _ in }) -> ContainerStatistics.MeasuredPod {
        var sandbox = SandboxRecord()
        sandbox.id = "sandbox"
        sandbox.metadata = .init(name: "web", namespace: "ci", uid: "u")
        var record = ContainerRecord()
        record.name = "main"
        record.image.image = "busybox:1"
        var container = ContainerEntry(id: "abc", sandboxID: "sandbox", runtime: "docker", record: record)
        container.phase = .running
        container.startedAt = 1_700_000_000_500_000_000
        container.resources = .init {
            $0.cpuShares = 512
            $0.memoryLimitInBytes = 1 << 20
        }
        var measurement = Measurement(time: 1_700_000_100_000_000_000)
        measurement.processor = .init(total: 12_900_000_000, user: 7_000_000_000, kernel: 5_000_000_000)
        measurement.memory = .init(workingSet: 4700, usage: 5000, resident: 200)
        measurement.memory?.pageFaults = 3
        var interface = InterfaceCounters(name: "eth0")
        interface.receivedBytes = 99
        measurement.interfaces = [InterfaceCounters(name: "lo"), interface]
        change(&measurement)
        return .init(sandbox: SandboxEntry(record: sandbox), containers: [(container, measurement)])
    }

    @Test func `every metric has a help text, every value as many labels as its metric says`() {
        let descriptors = Dictionary(uniqueKeysWithValues: ContainerMetrics.descriptors.map { ($0.name, $0) })
        #expect(descriptors.count == ContainerMetrics.descriptors.count)
        #expect(descriptors.values.allSatisfy { !$0.help.isEmpty && $0.labelKeys.count >= 6 })
        let metrics = ContainerMetrics.metrics(of: pod())
        let all = metrics.metrics + metrics.containerMetrics.flatMap(\.metrics)
        for metric in all {
            #expect(metric.labelValues.count == descriptors[metric.name]?.labelKeys.count, "\(metric.name)")
            #expect(metric.timestamp == 1_700_000_100_000_000_000)
        }
        // What `kubectl top`, dashboards and alerts ask for.
        for name in [
            "container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_memory_usage_bytes",
            "container_memory_rss", "container_memory_failures_total", "container_start_time_seconds",
            "container_last_seen", "container_spec_memory_limit_bytes", "container_spec_cpu_shares",
            "container_network_receive_bytes_total", "container_network_transmit_bytes_total",
        ] {
            #expect(all.contains { $0.name == name }, "\(name)")
        }
    }

    @Test func `values are in the metric's unit and say whose they are`() throws {
        let metrics = ContainerMetrics.metrics(of: pod())
        #expect(metrics.podSandboxId == "sandbox")
        let container = try #require(metrics.containerMetrics.first)
        #expect(container.containerId == "abc")
        let cpu = try #require(container.metrics.first { $0.name == "container_cpu_usage_seconds_total" })
        #expect(cpu.value?.value == 12 && cpu.metricType == .counter)
        #expect(cpu.labelValues == ["main", "/abc", "busybox:1", "abc", "ci", "web", "total"])
        let start = try #require(container.metrics.first { $0.name == "container_start_time_seconds" })
        #expect(start.value?.value == 1_700_000_000 && start.metricType == .gauge)
        let network = metrics.metrics.filter { $0.name == "container_network_receive_bytes_total" }
        #expect(network.map(\.labelValues) == [["", "/sandbox", "", "sandbox", "ci", "web", "eth0"]])
        #expect(network.first?.value?.value == 99)
    }

    @Test func `what nobody knows is left out instead of being 0`() {
        let metrics = ContainerMetrics.metrics(of: pod { $0.memory = nil }).containerMetrics.flatMap(\.metrics)
        #expect(!metrics.contains { $0.name.hasPrefix("container_memory_") })
        #expect(!metrics.contains { $0.name == "container_fs_usage_bytes" })
        #expect(metrics.contains { $0.name == "container_cpu_usage_seconds_total" })
    }

    @Test func `a pod's sum is of all its containers that run, or there is none`() {
        var pod = pod()
        let (entry, measurement) = pod.containers[0]
        pod.containers.append((entry, measurement))
        #expect(pod.sum?.processor?.total == 25_800_000_000 && pod.sum?.memory?.workingSet == 9400)
        #expect(pod.sum?.memory?.available == nil, "it has no limit")
        pod.containers.append((entry, nil))
        #expect(pod.sum == nil && pod.partial?.processor?.total == 25_800_000_000)
        var created = entry
        created.phase = .created
        pod.containers[2] = (created, nil)
        #expect(pod.sum?.memory?.workingSet == 9400)
    }
}
