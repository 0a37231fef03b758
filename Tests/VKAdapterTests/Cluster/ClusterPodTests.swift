import APIServer
import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

/// What the cluster is told of pods that are turned away, wait for others, or are given other resources.
@Suite(.timeLimit(.minutes(2))) struct ClusterPodTests {
    private func cluster(_ body: (APIServerDouble, VKAdapterTests.Node) async throws -> Void) async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                try await node.running(in: server) { _ in try await body(server, node) }
            }
        }
    }

    private func create(_ name: String, in server: APIServerDouble, _ configure: (inout Pod) -> Void) async throws {
        var pod = Pod {
            $0.metadata.name = name
            $0.metadata.namespace = "default"
            $0.spec.nodeName = "n"
            $0.spec.containers = [Sample.container(name)]
        }
        configure(&pod)
        let made = pod
        try await server.client { client async throws in
            _ = try await client.create(made, as: .pods, namespace: "default")
        }
    }

    private func patch(_ name: String, _ text: String, subresource: String? = nil, in server: APIServerDouble)
        async throws
    {
        let patch = try Value(json: Array(text.utf8))
        try await server.client { client async throws in
            _ = try await client.patch(.pods, namespace: "default", name: name, subresource: subresource, patch)
        }
    }

    private func seen(_ name: String, _ server: APIServerDouble) throws -> Pod? {
        try server.object("pods", namespace: "default", name: name).map { try Pod($0) }
    }

    @Test("a pod that does not fit fails in the cluster, with the reason, and goes when it is deleted")
    func rejection() async throws {
        try await cluster { server, node in
            try await create("huge", in: server) { $0.spec.containers[0].resources.requests = ["cpu": "100k"] }
            try await eventually("failed") { try seen("huge", server)?.status.phase == .failed }
            let status = try #require(try seen("huge", server)?.status)
            #expect(
                status.reason == "OutOfcpu" && status.message.hasPrefix("Pod was rejected: Node didn't have enough"))
            #expect(node.runtime.calls["RunPodSandbox"] == nil)
            try await server.client { client async throws in
                try await client.delete(.pods, namespace: "default", name: "huge", grace: nil)
            }
            try await eventually("gone") { try seen("huge", server) == nil }
        }
    }

    /// The pods were bound before the adapter began: it hears of its node first.
    @Test("labels and taints that others gave the node decide which pods it takes")
    func ownNode() async throws {
        try await APIServerDouble.with { server in
            let marked = KubeAPI.Node {
                $0.metadata.name = "n"
                $0.metadata.labels = ["kubernetes.io/os": "linux", "disk": "fast"]
                $0.spec.taints = [Taint(key: "maintenance", effect: "NoExecute")]
            }
            try await server.client { client async throws in _ = try await client.create(marked, as: .nodes) }
            let tolerates = Value(
                .object([Member("key", Value(.string("maintenance"))), Member("operator", Value(.string("Exists")))]))
            try await create("fast", in: server) {
                $0.spec.nodeSelector = ["disk": "fast"]
                $0.spec.tolerations = [tolerates]
            }
            try await create("slow", in: server) {
                $0.spec.nodeSelector = ["disk": "slow"]
                $0.spec.tolerations = [tolerates]
            }
            try await create("sensitive", in: server) { _ in }
            try await VKAdapterTests.Node.with { node in
                try await node.running(in: server) { _ in
                    try await eventually("the pods are judged") {
                        try seen("fast", server)?.status.phase == .running
                            && seen("slow", server)?.status.reason == "NodeAffinity"
                            && seen("sensitive", server)?.status.reason == "TaintToleration"
                    }
                }
            }
        }
    }

    @Test("a readiness gate follows the condition somebody else sets, both ways")
    func gates() async throws {
        try await cluster { server, _ in
            func isReady() throws -> Bool { try seen("web", server)?.status.condition(.ready)?.status == "True" }
            func set(_ truth: String) async throws {
                try await patch(
                    "web", #"{"status":{"conditions":[{"type":"example.dev/gate","status":"\#(truth)"}]}}"#,
                    subresource: "status", in: server)
            }
            try await create("web", in: server) {
                $0.spec.readinessGates = [ReadinessGate { $0.conditionType = "example.dev/gate" }]
            }
            try await eventually("its containers are ready") {
                try seen("web", server)?.status.condition(.containersReady)?.status == "True"
            }
            #expect(try !isReady())
            try await set("True")
            try await eventually("ready") { try isReady() }
            try await set("False")
            try await eventually("not ready") { try !isReady() }
            #expect(try seen("web", server)?.status.conditions.contains { $0.type == "example.dev/gate" } == true)
        }
    }

    @Test("a pod's generation is told as observed")
    func generation() async throws {
        try await cluster { server, _ in
            try await create("web", in: server) { _ in }
            try await eventually("told") {
                guard let pod = try seen("web", server), pod.metadata.generation > 0 else { return false }
                return pod.status.observedGeneration == pod.metadata.generation
                    && pod.status.condition(.ready)?.observedGeneration == pod.metadata.generation
            }
        }
    }
}
