import Proto
import Support
import Testing

@testable import CRIShim

/// What containers use, on a real engine, through our own gRPC.
@Suite(.serialized, .enabled(if: TestEngine.isPossible, DockerEngine.skipReason)) struct ContainerStatsTests {
    @Test(.timeLimit(.minutes(3)))
    func `containers and pods tell what they use, in statistics and in metrics`() async throws {
        let engine = try await TestEngine.shared()
        try await ShimHarness.with(docker: engine.endpoint) { shim in
            let config = shim.sandboxConfig { $0.labels = ["app": "web"] }
            let sandbox = try await shim.runSandbox(config)
            let busy = try await shim.create(
                "busy", in: sandbox, config, image: engine.image,
                script: "dd if=/dev/zero of=/tmp/x bs=1k count=300 2>/dev/null; echo ready; while :; do :; done"
            ) {
                $0.labels = ["which": "busy"]
                $0.linux = .init { $0.resources = .init { $0.memoryLimitInBytes = 256 << 20 } }
            }
            let idle = try await shim.create(
                "idle", in: sandbox, config, image: engine.image, script: "exec sleep 1000")
            try await shim.start(busy)
            try await shim.start(idle)
            try await eventually("it has written its file") {
                try await shim.log(shim.status(busy)).contains("stdout F ready")
            }

            let first: CRI.ContainerStatsResponse = try await shim.call(CRI.RuntimeService.containerStats) {
                $0.containerId = busy
            }
            let stats = try #require(first.stats)
            #expect(stats.attributes?.id == busy && stats.attributes?.metadata?.name == "busy")
            #expect(stats.attributes?.labels["which"] == "busy")
            #expect((stats.memory?.workingSetBytes?.value ?? 0) > 0)
            #expect((stats.memory?.usageBytes?.value ?? 0) >= stats.memory?.workingSetBytes?.value ?? .max)
            let available = stats.memory?.availableBytes?.value ?? 0
            #expect(available > 0 && available < 256 << 20)
            #expect((stats.writableLayer?.usedBytes?.value ?? 0) >= 300 << 10)
            let before = try #require(stats.cpu?.usageCoreNanoSeconds?.value)
            try await eventually("processor time is counted on, and its rate with it") {
                let all: CRI.ListContainerStatsResponse = try await shim.call(CRI.RuntimeService.listContainerStats)
                guard let now = all.stats.first(where: { $0.attributes?.id == busy })?.cpu else { return false }
                return (now.usageCoreNanoSeconds?.value ?? 0) > before && (now.usageNanoCores?.value ?? 0) > 0
            }

            let labelled: CRI.ListContainerStatsResponse = try await shim.call(CRI.RuntimeService.listContainerStats) {
                $0.filter = .init { $0.labelSelector = ["which": "busy"] }
            }
            #expect(labelled.stats.map(\.attributes?.id) == [busy])

            let pods: CRI.ListPodSandboxStatsResponse = try await shim.call(CRI.RuntimeService.listPodSandboxStats) {
                $0.filter = .init { $0.labelSelector = ["app": "web"] }
            }
            let pod = try #require(pods.stats.first?.linux)
            #expect(Set(pod.containers.map(\.attributes?.id)) == [busy, idle])
            #expect((pod.cpu?.usageCoreNanoSeconds?.value ?? 0) >= before)
            #expect((pod.process?.processCount?.value ?? 0) >= 2)
            #expect(pod.network?.defaultInterface?.name == "eth0")

            let descriptors: CRI.ListMetricDescriptorsResponse = try await shim.call(
                CRI.RuntimeService.listMetricDescriptors)
            let listed: CRI.ListPodSandboxMetricsResponse = try await shim.call(
                CRI.RuntimeService.listPodSandboxMetrics)
            let metrics = try #require(listed.podMetrics.first { $0.podSandboxId == sandbox })
            let names = Set((metrics.metrics + metrics.containerMetrics.flatMap(\.metrics)).map(\.name))
            // Conformance tests want a value of every metric there is, with all its labels.
            #expect(names == Set(descriptors.descriptors.map(\.name)))
            let labels = Dictionary(uniqueKeysWithValues: descriptors.descriptors.map { ($0.name, $0.labelKeys.count) })
            for metric in metrics.metrics + metrics.containerMetrics.flatMap(\.metrics) {
                #expect(metric.labelValues.count == labels[metric.name], "\(metric.name)")
            }
            let own = try #require(metrics.containerMetrics.first { $0.containerId == busy }).metrics
            #expect(own.first { $0.name == "container_processes" }?.value?.value == 1)
            #expect((own.first { $0.name == "container_file_descriptors" }?.value?.value ?? 0) >= 3)
            for name in [
                "container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_threads",
                "container_fs_usage_bytes", "container_network_receive_bytes_total",
                "container_spec_memory_limit_bytes",
            ] {
                #expect(names.contains(name), "\(name)")
            }

            let _: CRI.StopContainerResponse = try await shim.call(CRI.RuntimeService.stopContainer) {
                $0.containerId = busy
            }
            let rest: CRI.ListContainerStatsResponse = try await shim.call(CRI.RuntimeService.listContainerStats)
            #expect(rest.stats.map(\.attributes?.id) == [idle])
            let ended: CRI.ContainerStatsResponse = try await shim.call(CRI.RuntimeService.containerStats) {
                $0.containerId = busy
            }
            #expect(ended.stats?.cpu == nil && ended.stats?.writableLayer != nil)
        }
    }
}
