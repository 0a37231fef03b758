import APIServer
import Foundation
import KubeAPI
import Support
import Testing

/// Both daemons as the node of a cluster, with a real engine. The API server is the tests' double.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ClusterNodeTests {
    private func cluster(_ body: (APIServerDouble, NodeProcess) async throws -> Void) async throws {
        try await APIServerDouble.with { server in
            try await ShimProcess.with { shim async throws in
                let kubeconfig = shim.directory + "/kubeconfig"
                try Data(server.kubeconfig(as: .node("node")).utf8).write(to: URL(filePath: kubeconfig))
                let node = try NodeProcess(shim, kubeconfig: kubeconfig)
                try await node.startAdapter()
                do {
                    try await body(server, node)
                } catch {
                    await node.stopAdapter()
                    throw error
                }
                await node.stopAdapter()
            }
        }
    }

    private static func pod(_ name: String, script: String) throws -> Pod {
        let manifest = NodeProcess.manifest(name, script: script, restartPolicy: "Never")
        guard case .object(let value)? = Documents.read(Array(manifest.utf8), file: name).first else {
            throw ShimProcess.Failure(description: "the manifest of \(name) cannot be read")
        }
        var pod = try Pod(value)
        pod.metadata.namespace = "default"
        pod.spec.nodeName = "node"
        return pod
    }

    private static func status(_ name: String, _ server: APIServerDouble) throws -> PodStatus? {
        try server.object("pods", namespace: "default", name: name).map { try Pod($0).status }
    }

    @Test func `a pod of the cluster runs on a real engine through every kill of the adapter, and goes`() async throws {
        try await cluster { server, node in
            try await server.client { client async throws in
                for (name, script) in [("web", "echo hello; sleep 1000"), ("job", "sleep 2; exit 5")] {
                    _ = try await client.create(
                        try Self.pod(name, script: script), as: .pods, namespace: "default")
                }
                try await eventually("it runs", within: .seconds(60)) {
                    try Self.status("web", server)?.condition(.ready)?.status == "True"
                }
                let before = try #require(try Self.status("web", server))
                #expect(before.phase == .running && !before.podIP.isEmpty)
                try await eventually("its log can be read") {
                    try await node.kubelet("/containerLogs/default/web/main").body == "hello\n"
                }
                await node.killAdapter()
                try await node.startAdapter()
                try await eventually("the job's end is told", within: .seconds(60)) {
                    try Self.status("job", server)?.containerStatuses.first?.state.terminated?.exitCode == 5
                }
                let after = try #require(try Self.status("web", server))
                #expect(after.containerStatuses.first?.containerID == before.containerStatuses.first?.containerID)
                #expect(after.startTime == before.startTime && after.podIP == before.podIP)
                try await eventually("the node is ready") {
                    let conditions = server.object("nodes", name: "node")?["status"]?["conditions"]?.array ?? []
                    return conditions.contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
                }
                for name in ["web", "job"] {
                    try await client.delete(.pods, namespace: "default", name: name)
                }
                try await eventually("both are gone", within: .seconds(60)) {
                    try Self.status("web", server) == nil && Self.status("job", server) == nil
                }
                try await eventually("and so are their containers") {
                    try await EngineView.containers(labelled: "io.vzcri.instance=\(node.shim.instance)").isEmpty
                }
            }
        }
    }
}
