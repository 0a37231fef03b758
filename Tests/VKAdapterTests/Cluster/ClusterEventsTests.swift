import APIServer
import Foundation
import KubeAPI
import Support
import Testing

@testable import VKAdapter

/// What a cluster's people read of pods of this node.
@Suite(.timeLimit(.minutes(2))) struct ClusterEventsTests {
    private func pod(_ name: String, image: String = "busybox:1", _ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        Pod {
            $0.metadata.name = name
            $0.metadata.namespace = "default"
            $0.spec.nodeName = "n"
            $0.spec.containers = [
                Container {
                    $0.name = "main"
                    $0.image = image
                }
            ]
            configure(&$0)
        }
    }

    private func cluster(_ body: (APIServerDouble, VKAdapterTests.Node) async throws -> Void) async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in try await body(server, node) }
        }
    }

    private func create(_ pod: Pod, in server: APIServerDouble) async throws {
        _ = try await server.client { client async throws in
            try await client.create(pod, as: .pods, namespace: "default")
        }
    }

    private func reasons(_ name: String, _ server: APIServerDouble) throws -> [String] {
        try server.events().filter { $0.involvedObject.name == name }.map(\.reason)
    }

    private func messages(_ name: String, _ server: APIServerDouble) throws -> [String] {
        try server.events().filter { $0.involvedObject.name == name }.map(\.message)
    }

    @Test func `a pod's life is told from the pull to the end`() async throws {
        try await cluster { server, node in
            try await node.running(in: server) { _ in
                try await create(pod("web", image: "pulled:1"), in: server)
                try await eventually("started") { try reasons("web", server).contains("Started") }
                #expect(try reasons("web", server) == ["Pulling", "Pulled", "Created", "Started"])
                let events = try server.events().filter { $0.involvedObject.name == "web" }
                #expect(events.allSatisfy { $0.involvedObject.fieldPath == "spec.containers{main}" })
                #expect(events.allSatisfy { $0.source.component == "kubelet" && $0.source.host == "n" })
                #expect(events[0].message == "Pulling image \"pulled:1\"")
                #expect(events[1].message.hasSuffix("Image size: 4194304 bytes."))
                try await server.client { client async throws in
                    try await client.delete(.pods, namespace: "default", name: "web")
                }
                try await eventually("stopped") {
                    try messages("web", server).contains("Stopping container main")
                }
                #expect(try reasons("n", server).contains("Starting") && reasons("n", server).contains("NodeReady"))
                try await eventually("the node has the image") {
                    let node = try server.object("nodes", name: "n").map { try KubeAPI.Node($0) }
                    return node?.status.images.contains { $0.names == ["pulled:1"] } == true
                }
            }
        }
    }

    @Test func `what fails is told once for each time it is waited for`() async throws {
        try await cluster { server, node in
            node.runtime.edit { $0.exits = ["ends:1": 3] }
            node.runtime.edit { _ = $0.images.insert("ends:1") }
            try await node.running(in: server) { _ in
                try await create(pod("crash", image: "ends:1"), in: server)
                try await create(pod("lost", image: "nowhere:1"), in: server)
                try await create(pod("odd", image: "No Name"), in: server)
                try await eventually("BackOff") {
                    try messages("crash", server).contains {
                        $0.hasPrefix("Back-off restarting failed container main in pod crash_default(")
                    }
                }
                try await eventually("ImagePullBackOff") {
                    try messages("lost", server).contains("Error: ImagePullBackOff")
                }
                #expect(try messages("lost", server).contains { $0.hasPrefix("Failed to pull image \"nowhere:1\": ") })
                try await eventually("InspectFailed") { try reasons("odd", server).contains("InspectFailed") }
                let seen = try server.object("pods", namespace: "default", name: "odd").map { try Pod($0) }
                #expect(seen?.status.containerStatuses.first?.state.waiting?.reason == "InvalidImageName")
            }
        }
    }

    @Test func `an image is pulled with the pod's secrets; one that is missing is told of`() async throws {
        try await cluster { server, node in
            node.runtime.edit {
                $0.registry.insert("r.example/team/app:1")
                $0.passwords["r.example/team/app:1"] = "right"
            }
            let config = """
                {"auths":{"r.example/team":{"username":"a","password":"wrong"},
                "r.example":{"username":"b","password":"right"}}}
                """
            try await server.client { client async throws in
                _ = try await client.create(
                    Secret {
                        $0.metadata.name = "pull"
                        $0.metadata.namespace = "default"
                        $0.type = "kubernetes.io/dockerconfigjson"
                        $0.data[".dockerconfigjson"] = Data(config.utf8).base64EncodedString()
                    }, as: .secrets, namespace: "default")
            }
            try await node.running(in: server) { _ in
                let private_ = pod("app", image: "r.example/team/app:1") {
                    $0.spec.imagePullSecrets = ["pull", "none"].map { name in LocalObjectReference { $0.name = name } }
                }
                try await create(private_, in: server)
                try await eventually("it runs") { node.runtime.running("main") != nil }
                #expect(node.runtime.calls["PullImage"] == 2, "the closer match was tried first")
                try await eventually("the missing one is told") {
                    try messages("app", server).contains {
                        $0.hasPrefix("Unable to retrieve some image pull secrets (none)")
                    }
                }
                #expect(node.logged("right").isEmpty && node.logged("wrong").isEmpty)
            }
        }
    }

    @Test func `a private image that is here is only for pods whose secrets its registry accepts`() async throws {
        try await cluster { server, node in
            node.runtime.edit {
                $0.registry.insert("r.example/team/app:1")
                $0.passwords["r.example/team/app:1"] = "right"
            }
            for (name, password) in [("good", "right"), ("bad", "wrong")] {
                let config = #"{"auths":{"r.example":{"username":"a","password":"\#(password)"}}}"#
                try await server.client { client async throws in
                    _ = try await client.create(
                        Secret {
                            $0.metadata.name = name
                            $0.metadata.namespace = "default"
                            $0.type = "kubernetes.io/dockerconfigjson"
                            $0.data[".dockerconfigjson"] = Data(config.utf8).base64EncodedString()
                        }, as: .secrets, namespace: "default")
                }
            }
            try await node.running(in: server) { _ in
                func run(_ name: String, with secret: String?, policy: PullPolicy = .ifNotPresent) async throws {
                    let made = pod(name, image: "r.example/team/app:1") {
                        $0.spec.containers[0].imagePullPolicy = policy
                        $0.spec.imagePullSecrets =
                            secret.map { name in [LocalObjectReference { $0.name = name }] } ?? []
                    }
                    try await create(made, in: server)
                }
                func waiting(_ name: String) throws -> String? {
                    let pod = try server.object("pods", namespace: "default", name: name).map { try Pod($0) }
                    return pod?.status.containerStatuses.first?.state.waiting?.reason
                }
                func isReady(_ name: String) throws -> Bool {
                    let pod = try server.object("pods", namespace: "default", name: name).map { try Pod($0) }
                    return pod?.status.condition(.ready)?.status == "True"
                }
                try await run("owner", with: "good")
                try await eventually("it runs") { try isReady("owner") }
                let pulls = node.runtime.calls["PullImage"] ?? 0
                try await run("friend", with: "good")
                try await eventually("who has the same secret needs no registry") { try isReady("friend") }
                #expect(node.runtime.calls["PullImage"] == pulls)
                try await run("stranger", with: nil)
                try await run("liar", with: "bad")
                try await run("quiet", with: nil, policy: .never)
                try await eventually("strangers are refused") {
                    try ["ErrImagePull", "ImagePullBackOff"].contains(waiting("stranger") ?? "")
                        && ["ErrImagePull", "ImagePullBackOff"].contains(waiting("liar") ?? "")
                        && waiting("quiet") == "ErrImageNeverPull"
                }
            }
        }
    }
}
