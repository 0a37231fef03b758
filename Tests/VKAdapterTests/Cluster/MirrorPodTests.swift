import APIServer
import Foundation
import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

/// Pods of files beside a cluster.
@Suite(.timeLimit(.minutes(2))) struct MirrorPodTests {
    private func cluster(_ body: (APIServerDouble, VKAdapterTests.Node) async throws -> Void) async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in try await body(server, node) }
        }
    }

    private func mirror(_ server: APIServerDouble) throws -> Pod? {
        try server.object("pods", namespace: "default", name: "web-n").map { try Pod($0) }
    }

    private func isReady(_ server: APIServerDouble) throws -> Bool {
        try mirror(server)?.status.condition(.ready)?.status == "True"
    }

    @Test func `a pod of a file has a mirror that shows it, and nothing done to the mirror touches the pod`()
        async throws
    {
        try await cluster { server, node in
            try node.pod("web")
            try await node.running(in: server, manifests: true) { _ in
                try await eventually("shown") { try isReady(server) }
                let first = try #require(try mirror(server))
                let hash = first.metadata.annotations[StaticPod.mirrorAnnotation]
                #expect(hash == first.metadata.annotations[StaticPod.hashAnnotation])
                #expect(first.metadata.uid != hash && first.metadata.ownerReferences.count == 1)
                #expect(first.status.podIP.hasPrefix("10.1.0."))
                let run = try #require(node.runtime.running("web"))
                try await server.client { client async throws in
                    try await client.delete(.pods, namespace: "default", name: "web-n")
                }
                try await eventually("made again") {
                    let now = try mirror(server)
                    let isReady = try isReady(server)
                    return now != nil && now?.metadata.uid != first.metadata.uid && isReady
                }
                #expect(node.runtime.running("web")?.status.id == run.status.id)
                // An edited file is another pod, and its mirror another one.
                try node.pod("web", "OnFailure")
                try await eventually("the next is shown") {
                    let now = try mirror(server)?.metadata.annotations[StaticPod.mirrorAnnotation]
                    let isReady = try isReady(server)
                    return now != nil && now != hash && isReady
                }
                try node.remove("web.yaml")
                try await eventually("gone") {
                    try mirror(server) == nil && node.runtime.edit { $0.sandboxes.isEmpty }
                }
            }
        }
    }

    @Test func `pods of files run while the API server is away, and what ran for the cluster runs on`() async throws {
        try await cluster { server, node in
            try await server.client { client async throws in
                let pod = Pod {
                    $0.metadata.name = "app"
                    $0.metadata.namespace = "default"
                    $0.spec.nodeName = "n"
                    $0.spec.containers = [
                        Container {
                            $0.name = "app"
                            $0.image = "busybox:1"
                        }
                    ]
                }
                _ = try await client.create(pod, as: .pods, namespace: "default")
            }
            try await node.running(in: server, manifests: true) { _ in
                try await eventually("it runs") { node.runtime.running("app") != nil }
            }
            let run = try #require(node.runtime.running("app"))
            await server.stop()
            try node.pod("web")
            try await node.running(in: server, manifests: true) { _ in
                try await eventually("the static pod runs") { node.runtime.running("web") != nil }
                #expect(node.runtime.running("app")?.status.id == run.status.id)
                try await server.start()
                try await eventually("shown") { try isReady(server) }
                #expect(node.runtime.running("app")?.status.id == run.status.id)
            }
        }
    }

    @Test func `a mirror of nothing goes, also where there are no files at all`() async throws {
        try await cluster { server, node in
            try node.pod("web")
            try await node.running(in: server, manifests: true) { _ in
                try await eventually("shown") { try isReady(server) }
            }
            try await node.running(in: server) { _ in
                try await eventually("gone") {
                    try mirror(server) == nil && node.runtime.edit { $0.sandboxes.isEmpty }
                }
            }
        }
    }
}
