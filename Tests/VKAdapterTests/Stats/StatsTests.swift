import KubeAPI
import Proto
import Testing

@testable import VKAdapter

@Suite struct StatsTests {
    @Test func `a rate comes from two looks, and one too soon after the last changes nothing`() async {
        let rates = ProcessorRates()
        #expect(await rates.rate("a", total: 1_000, time: 1_000_000_000) == nil)
        #expect(await rates.rate("a", total: 500_001_000, time: 2_000_000_000) == 500_000_000)
        #expect(await rates.rate("a", total: 600_000_000, time: 2_050_000_000) == 500_000_000)
        // A counter that fell began anew.
        #expect(await rates.rate("a", total: 5, time: 3_000_000_000) == nil)
        #expect(await rates.rate("a", total: 1_000_000_005, time: 4_000_000_000) == 1_000_000_000)
    }

    @Test(
        "methods of the CRI have the kubelet's names",
        arguments: [
            ("RunPodSandbox", "run_podsandbox"), ("ListPodSandboxStats", "list_podsandbox_stats"),
            ("Version", "version"),
            ("ExecSync", "exec_sync"), ("ImageFsInfo", "image_fs_info"),
        ])
    func operations(method: String, name: String) { #expect(AdapterMetrics.operation(method) == name) }

    @Test func `text, numbers and buckets are written as Prometheus reads them`() {
        var text = PrometheusText()
        text.family("m", .gauge, "say \"a\\b\"\nnow")
        text.sample("m", [("l", "a\"b\\c\nd")], 1.5, time: 1_700_000_000_123_456_789)
        text.sample("m", [], .infinity)
        text.sample("m", [], -3)
        #expect(
            text.text
                == "# HELP m say \"a\\\\b\"\\nnow\n# TYPE m gauge\nm{l=\"a\\\"b\\\\c\\nd\"} 1.5 1700000000123\nm +Inf\nm -3\n"
        )
        let metrics = AdapterMetrics()
        metrics.observe(AdapterMetrics.requestDuration, ["path": "x"], .milliseconds(7))
        metrics.observe(AdapterMetrics.requestDuration, ["path": "x"], .seconds(60))
        var own = PrometheusText()
        metrics.write([AdapterMetrics.requestDuration, AdapterMetrics.probes], to: &own)
        let name = AdapterMetrics.requestDuration.name
        #expect(own.text.contains("\(name)_bucket{path=\"x\",le=\"0.005\"} 0\n"))
        #expect(own.text.contains("\(name)_bucket{path=\"x\",le=\"0.01\"} 1\n"))
        #expect(own.text.contains("\(name)_bucket{path=\"x\",le=\"10\"} 1\n"))
        #expect(own.text.contains("\(name)_bucket{path=\"x\",le=\"+Inf\"} 2\n"))
        #expect(own.text.contains("\(name)_sum{path=\"x\"} 60.007\n") && own.text.contains("_count{path=\"x\"} 2\n"))
        #expect(!own.text.contains("prober"))
        metrics.forget(["path": "y"])
        metrics.forget(["path": "x"])
        var empty = PrometheusText()
        metrics.write([AdapterMetrics.requestDuration], to: &empty)
        #expect(empty.text.isEmpty)
    }

    @Test func `only what runs now is counted, by the container it is`() {
        let pod = Pod {
            $0.metadata.name = "p"
            $0.status.containerStatuses = [
                ContainerStatus {
                    $0.name = "a"
                    $0.containerID = "fake://new"
                    $0.state.running = .init()
                },
                ContainerStatus {
                    $0.name = "b"
                    $0.containerID = "fake://gone"
                    $0.state.terminated = .init()
                },
            ]
        }
        func stats(_ id: String, _ bytes: UInt64) -> CRI.ContainerStats {
            .init {
                $0.attributes = .init { $0.id = id }
                $0.memory = .init { $0.workingSetBytes = .init { $0.value = bytes } }
            }
        }
        let usage = PodUsage(pod, sandbox: nil, containers: [stats("old", 1), stats("new", 2), stats("gone", 4)])
        #expect(usage.containers.map(\.name) == ["a"])
        #expect(usage.memory?.workingSetBytes?.value == 2)
        #expect(usage.cpu == nil)
    }
}
