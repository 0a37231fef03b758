import APIServer
import KubeAPI
import Logging
import ServiceLifecycle
import Support
import Testing

@testable import VKAdapter

/// The end of a node.
@Suite(.timeLimit(.minutes(2))) struct DrainTests {
    private func pod(_ name: String) -> Pod {
        Pod {
            $0.metadata.name = name
            $0.metadata.namespace = "default"
            $0.spec.nodeName = "n"
            $0.spec.terminationGracePeriodSeconds = 5
            $0.spec.containers = [
                Container {
                    $0.name = name
                    $0.image = "busybox:1"
                }
            ]
        }
    }

    /// Runs the adapter as a service until it has ended.
    private func ending(
        _ server: APIServerDouble, _ node: VKAdapterTests.Node, grace: Duration, _ body: () async throws -> Void
    ) async throws {
        try await node.runtime.serve(node.socket) { _ in
            var configuration = node.configuration
            configuration.podManifestPath = nil
            configuration.cluster = server.connection(as: .node("n"))
            configuration.leaseInterval = .milliseconds(200)
            configuration.healthInterval = .milliseconds(100)
            configuration.shutdownGrace = grace
            let daemon = try await AdapterDaemon(configuration, logger: Logger(label: "test"))
            let group = ServiceGroup(services: [daemon], logger: Logger(label: "test"))
            let task = Task { try await group.run() }
            do {
                try await body()
            } catch {
                task.cancel()
                _ = await task.result
                throw error
            }
            await group.triggerGracefulShutdown()
            try await task.value
        }
    }

    private func seen(_ name: String, _ server: APIServerDouble) throws -> Pod? {
        try server.object("pods", namespace: "default", name: name).map { try Pod($0) }
    }

    @Test func `with a grace period the end of the adapter is the end of its pods, and the cluster knows`() async throws
    {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                try await server.client { client async throws in
                    for name in ["a", "b"] { _ = try await client.create(pod(name), as: .pods, namespace: "default") }
                }
                try await ending(server, node, grace: .seconds(60)) {
                    try await eventually("they run") {
                        try ["a", "b"].allSatisfy { try seen($0, server)?.status.condition(.ready)?.status == "True" }
                    }
                }
                for name in ["a", "b"] {
                    let status = try #require(try seen(name, server)).status
                    #expect(status.phase == .failed && status.reason == "Terminated")
                    #expect(status.containerStatuses.allSatisfy { $0.state.terminated != nil }, "\(status)")
                    #expect(node.runtime.running(name) == nil)
                }
                let ready = try server.object("nodes", name: "n").map { try KubeAPI.Node($0) }?.status.conditions
                    .first { $0.type == .ready }
                #expect(ready?.status == "False" && ready?.message.contains("node is shutting down") == true)
            }
        }
    }

    @Test func `without one they run on`() async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                try await server.client { client async throws in
                    _ = try await client.create(pod("a"), as: .pods, namespace: "default")
                }
                try await ending(server, node, grace: .zero) {
                    try await eventually("it runs") { node.runtime.running("a") != nil }
                }
                #expect(node.runtime.running("a") != nil)
            }
        }
    }

    @Test func `a pod that was ended for good stays ended after a restart`() async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                try await server.client { client async throws in
                    _ = try await client.create(pod("a"), as: .pods, namespace: "default")
                }
                try await ending(server, node, grace: .seconds(60)) {
                    try await eventually("it runs") { node.runtime.running("a") != nil }
                }
                try await node.running(in: server) { _ in
                    try await eventually("its sandbox was looked at") {
                        (node.runtime.calls["PodSandboxStatus"] ?? 0) > 0
                    }
                    // What comes later runs, and by then the first would as well.
                    try await server.client { client async throws in
                        _ = try await client.create(pod("b"), as: .pods, namespace: "default")
                    }
                    try await eventually("another runs") { node.runtime.running("b") != nil }
                    #expect(node.runtime.running("a") == nil)
                    #expect(try seen("a", server)?.status.reason == "Terminated")
                }
            }
        }
    }
}
