import Foundation
import HTTP
import Logging
import NIOHTTP1
import Proto
import Support
import Testing

@testable import VKAdapter

/// What the API serves of the node itself.
@Suite(.timeLimit(.minutes(2))) struct KubeletNodeTests {
    private func serving(
        _ pods: [String] = ["web"], _ change: (inout AdapterConfiguration) -> Void = { _ in },
        _ body: (Node, Node.Adapter, KubeletClient) async throws -> Void
    ) async throws {
        try await Node.with { node in
            for pod in pods { try node.pod(pod) }
            var configuration = node.configuration
            change(&configuration)
            try await node.runtime.serve(node.socket) { endpoint in
                try await node.adapter(endpoint, configuration: configuration) { adapter in
                    try await eventually("ready") { pods.allSatisfy(adapter.isReady) }
                    let client = try KubeletClient(adapter, root: node.root)
                    try await body(node, adapter, client)
                    await client.http.close()
                }
            }
        }
    }

    private func object(_ text: String) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test func `the summary says what node, pods and containers use`() async throws {
        try await serving { (_, _, client) async throws in
            let (status, text) = try await client.get("/stats/summary")
            #expect(status == 200)
            let summary = try object(text)
            let node = try #require(summary["node"] as? [String: Any])
            #expect(node["nodeName"] as? String == "n")
            #expect(((node["memory"] as? [String: Any])?["workingSetBytes"] as? Int ?? 0) > 0)
            #expect(((node["cpu"] as? [String: Any])?["usageCoreNanoSeconds"] as? Int ?? 0) > 0)
            #expect(((node["fs"] as? [String: Any])?["capacityBytes"] as? Int ?? 0) > 0)
            let images = ((node["runtime"] as? [String: Any])?["imageFs"] as? [String: Any])
            #expect(images?["usedBytes"] as? Int == 1 << 20)
            let pod = try #require((summary["pods"] as? [[String: Any]])?.first)
            #expect((pod["podRef"] as? [String: Any])?["name"] as? String == "web-n")
            #expect((pod["network"] as? [String: Any])?["rxBytes"] as? Int == 11)
            #expect((pod["process_stats"] as? [String: Any])?["process_count"] as? Int == 3)
            #expect((pod["cpu"] as? [String: Any])?["usageCoreNanoSeconds"] as? Int == 1_500_000_000)
            let container = try #require((pod["containers"] as? [[String: Any]])?.first)
            #expect(container["name"] as? String == "web")
            #expect((container["memory"] as? [String: Any])?["workingSetBytes"] as? Int == 3 << 20)
            #expect((container["rootfs"] as? [String: Any])?["usedBytes"] as? Int == 4096)
            #expect((container["startTime"] as? String)?.hasSuffix("Z") == true)

            let short = try object(try await client.get("/stats/summary?only_cpu_and_memory=true").1)
            let pods = try #require(short["pods"] as? [[String: Any]])
            #expect(pods.first?["network"] == nil && pods.first?["cpu"] != nil)
            #expect((short["node"] as? [String: Any])?["fs"] == nil)
        }
    }

    @Test func `metrics are what metrics-server and Prometheus read`() async throws {
        try await serving { (_, _, client) async throws in
            let resource = try await client.get("/metrics/resource")
            #expect(resource.0 == 200)
            let sample = #"container_cpu_usage_seconds_total{container="web",namespace="default",pod="web-n"} 1.5 "#
            #expect(resource.1.contains(sample))
            #expect(resource.1.contains(#"pod_memory_working_set_bytes{namespace="default",pod="web-n"} 3145728 "#))
            #expect(resource.1.contains("\nnode_cpu_usage_seconds_total "))
            #expect(resource.1.contains("\nnode_memory_working_set_bytes "))
            #expect(resource.1.contains(#"container_start_time_seconds{container="web",namespace="default""#))
            #expect(resource.1.contains("\nresource_scrape_error 0\n"))

            let containers = try await client.get("/metrics/cadvisor").1
            #expect(containers.contains(#"container_memory_working_set_bytes{container="web",id="/container"#))
            #expect(containers.contains(#"container_network_receive_bytes_total{container="",id="/sandbox"#))
            #expect(containers.contains(#"pod="web-n",cpu="total"} 1.5 "#))
            #expect(containers.contains("\nmachine_memory_bytes ") && containers.contains("\nmachine_cpu_cores "))
            #expect(containers.contains("\ncontainer_scrape_error 0\n"))

            let own = try await client.get("/metrics").1
            #expect(own.contains("\nkubelet_running_pods 1\n"))
            #expect(own.contains(#"kubelet_running_containers{container_state="running"} 1"#))
            #expect(own.contains(#"kubelet_runtime_operations_total{operation_type="run_podsandbox"} 1"#))
            #expect(own.contains(#"kubelet_http_requests_total{long_running="false",method="GET",path="metrics""#))
            #expect(own.contains("\nprocess_resident_memory_bytes ") && own.contains("\nprocess_open_fds "))
            #expect(try await client.get("/metrics/probes").0 == 200)
            for text in [resource.1, containers, own] { try check(text) }
        }
    }

    @Test func `probes, starts and work of pods are counted under the kubelet's names`() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.command = { _, command in (command == ["bad"] ? 1 : 0, "") } }
            for (name, kind, command) in [("good", "readiness", "fine"), ("poor", "liveness", "bad")] {
                let probe = "    \(kind)Probe: {exec: {command: [\(command)]}, periodSeconds: 1, failureThreshold: 100}"
                try node.pod(name, more: probe)
            }
            try await node.runtime.serve(node.socket) { endpoint in
                try await node.adapter(endpoint) { adapter in
                    let client = try KubeletClient(adapter, root: node.root)
                    func has(_ path: String, _ labels: String...) async throws -> Bool {
                        let lines = try await client.get(path).1.split(separator: "\n")
                        return labels.allSatisfy { label in
                            lines.contains { $0.hasPrefix(label) && !$0.hasSuffix(" 0") }
                        }
                    }
                    try await eventually("both were probed") {
                        try await has(
                            "/metrics/probes",
                            #"prober_probe_total{container="good",namespace="default",pod="good-n",pod_uid=""#,
                            #"prober_probe_total{container="poor",namespace="default",pod="poor-n",pod_uid=""#,
                            #"prober_probe_duration_seconds_count{container="good",namespace="default",pod="good-n",probe_type="Readiness"}"#
                        )
                    }
                    let text = try await client.get("/metrics/probes").1
                    try check(text)
                    #expect(text.contains(#"probe_type="Liveness",result="failed"}"#))
                    #expect(text.contains(#"probe_type="Readiness",result="successful"}"#))
                    #expect(!text.contains(#"duration_seconds_count{container="poor""#))
                    try await eventually("both run") {
                        try await has("/metrics", "kubelet_pod_start_duration_seconds_count 2")
                    }
                    let own = try await client.get("/metrics").1
                    try check(own)
                    #expect(own.contains("\nkubelet_pleg_relist_duration_seconds_count "))
                    for operation in ["create", "sync"] {
                        let name = "kubelet_pod_worker_duration_seconds_count"
                        #expect(own.contains("\n\(name){operation_type=\"\(operation)\"} "))
                    }
                    try node.remove("good.yaml")
                    try await eventually("a pod that is gone is not told of") {
                        let text = try await client.get("/metrics/probes").1
                        return !text.contains("good-n") && text.contains("poor-n")
                    }
                    await client.http.close()
                }
            }
        }
    }

    /// Every line is a comment or a sample of the family before it, and no family comes twice.
    private func check(_ text: String) throws {
        var family = ""
        var seen: Set<String> = []
        for line in text.split(separator: "\n") {
            let words = line.split(separator: " ")
            if line.hasPrefix("# TYPE ") {
                family = String(words[2])
                #expect(seen.insert(family).inserted, "\(family) comes twice")
            } else if !line.hasPrefix("#") {
                #expect(line.hasPrefix(family), "\(line) is no sample of \(family)")
                let rest = line[(line.lastIndex(of: "}") ?? line.firstIndex(of: " ") ?? line.startIndex)...].dropFirst()
                let numbers = rest.split(separator: " ")
                #expect((1...2).contains(numbers.count) && numbers.allSatisfy { Double($0) != nil }, "\(line)")
            }
        }
    }

    @Test func `a runtime that hangs costs what it would have told, and no more time than it is given`() async throws {
        try await serving { (node, adapter, client) async throws in
            node.runtime.edit { $0.hangs = ["ListContainerStats"] }
            let provider = CRIProvider(client: adapter.daemon.client, nodeName: "n")
            let collector = StatsCollector(
                nodeName: "n", store: adapter.store, runtime: provider, machine: LocalNodeUsage(root: "/"),
                deadline: .seconds(1), logger: .init(label: "test"))
            let start = ContinuousClock.now
            let sample = try await collector.sample()
            #expect(start.duration(to: .now) < .seconds(4))
            #expect(sample.isPartial)
            #expect(sample.pods.first?.network != nil && sample.pods.first?.containers.isEmpty == true)
            #expect(ResourceMetrics(sample: sample).text.contains("\nresource_scrape_error 1\n"))

            // One that knows no statistics is no failure.
            node.runtime.edit { $0.hasStats = false }
            let without = try await client.get("/metrics/resource").1
            #expect(without.contains("\nresource_scrape_error 0\n"))
        }
    }

    @Test func `a command is run and its output is the answer, or its failure is`() async throws {
        try await serving { (node, _, client) async throws in
            let token = "Bearer \(try client.token)"
            node.runtime.edit { $0.command = { _, command in (command == ["false"] ? 3 : 0, "out\n") } }
            #expect(
                try await client.send("/run/default/web-n/web?cmd=ls%20-l", .POST, authorization: token)
                    == (200, "out\n"))
            #expect(node.runtime.edit { $0.commands.last?.command } == ["ls", "-l"])
            #expect(
                try await client.send("/run/default/web-n/web?cmd=false", .POST, authorization: token)
                    == (500, "command 'false' exited with 3: "))
            #expect(try await client.send("/run/default/web-n/web", .POST, authorization: token).0 == 400)
            #expect(try await client.send("/run/default/no/web?cmd=x", .POST, authorization: token).0 == 404)
            #expect(try await client.get("/run/default/web-n/web?cmd=x").0 == 405)
        }
    }

    @Test func `a checkpoint is written where the answer says`() async throws {
        try await serving { (node, _, client) async throws in
            let token = "Bearer \(try client.token)"
            let (status, text) = try await client.send(
                "/checkpoint/default/web-n/web?timeout=7", .POST, authorization: token)
            #expect(status == 200)
            let file = try #require((try object(text)["items"] as? [String])?.first)
            let asked = try #require(node.runtime.edit { $0.checkpoints.last })
            #expect(asked.location == file && file.hasPrefix("\(node.root)/checkpoints/checkpoint-web-n_default-web-"))
            #expect(asked.timeout == 7)
            #expect(try await client.send("/checkpoint/default/web-n/none", .POST, authorization: token).0 == 404)
            #expect(
                try await client.send("/checkpoint/default/web-n/web?timeout=x", .POST, authorization: token).0 == 404)
            node.runtime.edit { $0.hasStats = false }
            #expect(try await client.send("/checkpoint/default/web-n/web", .POST, authorization: token).0 == 404)
        }
    }

    @Test func `the configuration that holds is shown`() async throws {
        try await serving(
            [],
            {
                $0.maximumPods = 17
                $0.evictionHard = ["memory.available<100Mi"]
                $0.kubeReserved = ["cpu=200m"]
            }
        ) { (_, _, client) async throws in
            let shown = try object(try await client.get("/configz").1)["kubeletconfig"] as? [String: Any]
            #expect(shown?["maxPods"] as? Int == 17)
            #expect(shown?["evictionHard"] as? [String: String] == ["memory.available": "100Mi"])
            #expect(shown?["kubeReserved"] as? [String: String] == ["cpu": "200m"])
            #expect(shown?["imagePullCredentialsVerificationPolicy"] as? String == "NeverVerifyPreloadedImages")
            let authentication = shown?["authentication"] as? [String: Any]
            #expect((authentication?["anonymous"] as? [String: Any])?["enabled"] as? Bool == false)
            #expect((shown?["authorization"] as? [String: Any])?["mode"] as? String == "AlwaysAllow")
        }
    }

    @Test func `the node's logs are listed and read, and nothing outside of them is`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let logs = "\(directory)/log"
            try FileManager.default.createDirectory(atPath: "\(logs)/sub", withIntermediateDirectories: true)
            let large = String(repeating: "0123456789\n", count: 60_000)
            try large.write(toFile: "\(logs)/a <b>.log", atomically: false, encoding: .utf8)
            try "inner".write(toFile: "\(logs)/sub/x.log", atomically: false, encoding: .utf8)
            try "secret".write(toFile: "\(directory)/secret", atomically: false, encoding: .utf8)
            try FileManager.default.createSymbolicLink(
                atPath: "\(logs)/out", withDestinationPath: "\(directory)/secret")
            try FileManager.default.createSymbolicLink(atPath: "\(logs)/up", withDestinationPath: directory)
            #expect(mkfifo("\(logs)/pipe", 0o600) == 0)
            try await serving([], { $0.nodeLogDirectory = logs }) { (_, _, client) async throws in
                let page = try await client.get("/logs/")
                #expect(page.0 == 200 && page.1.contains("<a href=\"a%20%3Cb%3E.log\">a &lt;b&gt;.log</a>"))
                #expect(page.1.contains("<a href=\"sub/\">sub/</a>") && page.1.contains(">out</a>"))
                #expect(try await client.get("/logs/a%20%3Cb%3E.log") == (200, large))
                #expect(try await client.get("/logs/sub/x.log") == (200, "inner"))
                #expect(try await client.get("/logs/sub").1.contains("x.log"))
                for path in [
                    "/logs/out", "/logs/up/secret", "/logs/up", "/logs/pipe", "/logs/none", "/logs/sub/x.log/y",
                ] {
                    #expect(try await client.get(path).0 == 404, "\(path)")
                }
                for path in ["/logs/../secret", "/logs/%2e%2e/secret", "/logs/sub/..%2f..%2f..%2fsecret"] {
                    let (status, text) = try await client.get(path)
                    #expect(status != 200 && !text.contains("secret"), "\(path)")
                }
            }
            // Without a directory there is nothing to see.
            try await serving([]) { (_, _, client) async throws in
                #expect(try await client.get("/logs/").0 == 404)
            }
        }
    }
}
