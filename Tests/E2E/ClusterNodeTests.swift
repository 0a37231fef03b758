import APIServer
import Foundation
import KubeAPI
import Support
import Testing

/// Both daemons as the node of a cluster, with a real engine. The API server is the tests' double, and a real one where its
/// programs are.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ClusterNodeTests {
    private func cluster(
        _ clusters: TestClusters, _ body: (KubeClient, NodeProcess) async throws -> Void
    ) async throws {
        try await clusters.with { cluster async throws in
            try await ShimProcess.with { shim async throws in
                let kubeconfig = shim.directory + "/kubeconfig"
                try Data(cluster.kubeconfig(as: .node("node")).utf8).write(to: URL(filePath: kubeconfig))
                let node = try NodeProcess(shim, kubeconfig: kubeconfig)
                try await node.startAdapter()
                do {
                    try await cluster.client { try await body($0, node) }
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

    /// - Returns: `nil` when there is no such pod.
    private static func status(_ name: String, _ client: KubeClient) async throws -> PodStatus? {
        do {
            return try await client.get(.pods, namespace: "default", name: name).status
        } catch let error as KubeAPIError where error.isNotFound {
            return nil
        }
    }

    @Test(
        "a pod of the cluster runs on a real engine through every kill of the adapter, and goes",
        arguments: TestClusters.available)
    func life(_ clusters: TestClusters) async throws {
        try await cluster(clusters) { client, node in
            for (name, script) in [("web", "echo hello; sleep 1000"), ("job", "sleep 2; exit 5")] {
                _ = try await client.create(
                    try Self.pod(name, script: script), as: .pods, namespace: "default")
            }
            try await eventually("it runs", within: .seconds(60)) {
                try await Self.status("web", client)?.condition(.ready)?.status == "True"
            }
            let before = try #require(try await Self.status("web", client))
            #expect(before.phase == .running && !before.podIP.isEmpty)
            try await eventually("its log can be read") {
                try await node.kubelet("/containerLogs/default/web/main").body == "hello\n"
            }
            await node.killAdapter()
            try await node.startAdapter()
            try await eventually("the job's end is told", within: .seconds(60)) {
                try await Self.status("job", client)?.containerStatuses.first?.state.terminated?.exitCode == 5
            }
            let after = try #require(try await Self.status("web", client))
            #expect(after.containerStatuses.first?.containerID == before.containerStatuses.first?.containerID)
            #expect(after.startTime == before.startTime && after.podIP == before.podIP)
            try await eventually("the node is ready") {
                try await client.get(.nodes, name: "node").status.conditions.contains {
                    $0.type == .ready && $0.status == "True"
                }
            }
            for name in ["web", "job"] {
                try await client.delete(.pods, namespace: "default", name: name)
            }
            try await eventually("both are gone", within: .seconds(60)) {
                let web = try await Self.status("web", client)
                return try await Self.status("job", client) == nil && web == nil
            }
            try await eventually("and so are their containers") {
                try await EngineView.containers(labelled: "io.vzcri.instance=\(node.shim.instance)").isEmpty
            }
        }
    }
}
