import KubeAPI
import Support
import Testing

@testable import VKAdapter

struct PullOnlyTests {
    private func manifest(_ policy: String, image: String = "pulled:1") -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata:
          name: bring
          annotations: {vzcri.dev/pull-only: "true"}
        spec:
          restartPolicy: \(policy)
          initContainers:
          - {name: first, image: "busybox:1"}
          containers:
          - name: main
            image: "\(image)"
            readinessProbe: {exec: {command: [never]}}
            volumeMounts: [{name: none, mountPath: /x}]
          volumes: [{name: none, hostPath: {path: /does/not/exist, type: Directory}}]
        """
    }

    @Test func `a pod that only pulls has completed once its images are there, and nothing of it ever ran`()
        async throws
    {
        try await VKAdapterTests.Node.with { node in
            try node.write("bring.yaml", manifest("OnFailure"))
            try await node.running { adapter in
                try await eventually("succeeded") { adapter.phase("bring") == .succeeded }
                let status = try #require(adapter.status("bring")?.containerStatuses.first)
                #expect(status.state.terminated?.reason == "Completed" && status.state.terminated?.exitCode == 0)
                #expect(status.containerID.isEmpty && !status.imageID.isEmpty)
                let (images, isUntouched) = node.runtime.edit { ($0.images, $0.sandboxes.isEmpty && $0.made.isEmpty) }
                #expect(images.contains("pulled:1") && isUntouched)
                try node.remove("bring.yaml")
                try await eventually("gone") { adapter.store.all.isEmpty }
            }
        }
    }

    @Test func `one that is to run for ever stays, ready, so that no controller makes it anew`() async throws {
        try await VKAdapterTests.Node.with { node in
            try node.write("bring.yaml", manifest("Always"))
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("bring") }
                #expect(adapter.phase("bring") == .running)
                #expect(adapter.status("bring")?.initContainerStatuses.first?.state.terminated?.exitCode == 0)
                #expect(node.runtime.edit { $0.made.isEmpty })
                try node.remove("bring.yaml")
                try await eventually("gone") { adapter.store.all.isEmpty }
            }
        }
    }

    @Test func `an image that cannot be had is tried on, with the words of any other pod`() async throws {
        try await VKAdapterTests.Node.with { node in
            try node.write("bring.yaml", manifest("Never", image: "late:1"))
            try await node.running { adapter in
                try await eventually("waits") {
                    ["ErrImagePull", "ImagePullBackOff"].contains(
                        adapter.status("bring")?.containerStatuses.first?.state.waiting?.reason)
                }
                #expect(adapter.phase("bring") == .pending)
                node.runtime.edit { _ = $0.registry.insert("late:1") }
                try await eventually("succeeded") { adapter.phase("bring") == .succeeded }
            }
        }
    }
}
