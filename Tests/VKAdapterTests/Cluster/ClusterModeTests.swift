import APIServer
import Foundation
import KubeAPI
import NIOConcurrencyHelpers
import Proto
import Support
import Testing

@testable import VKAdapter

/// The adapter as the node `n` of a cluster, with no more rights than a node has.
@Suite(.timeLimit(.minutes(2))) struct ClusterModeTests {
    private func cluster(_ body: (APIServerDouble, VKAdapterTests.Node) async throws -> Void) async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in try await body(server, node) }
        }
    }

    private func pod(_ name: String, _ configure: (inout Pod) -> Void = { _ in }) -> Pod {
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
            configure(&$0)
        }
    }

    @discardableResult
    private func create(_ pod: Pod, in server: APIServerDouble) async throws -> Pod {
        try await server.client { client async throws in
            try await client.create(pod, as: .pods, namespace: "default")
        }
    }

    private func delete(_ name: String, grace: Int64? = nil, in server: APIServerDouble) async throws {
        try await server.client { client async throws in
            try await client.delete(.pods, namespace: "default", name: name, grace: grace)
        }
    }

    /// The pod as the cluster has it.
    private func seen(_ name: String, _ server: APIServerDouble) throws -> Pod? {
        try server.object("pods", namespace: "default", name: name).map { try Pod($0) }
    }

    private func isReady(_ name: String, _ server: APIServerDouble) throws -> Bool {
        try seen(name, server)?.status.condition(.ready)?.status == "True"
    }

    @Test func `a pod of the cluster runs, is told of, and when it is deleted it ends and then is gone`() async throws {
        let told = NIOLockedValueBox<[PodStatus]>([])
        try await cluster { server, node in
            server.observe { seen in
                guard seen.plural == "pods", let object = seen.object, let pod = try? Pod(object) else { return }
                told.withLockedValue { $0.append(pod.status) }
            }
            try await node.running(in: server) { _ in
                try await create(pod("web"), in: server)
                try await eventually("ready") { try isReady("web", server) }
                let pod = try #require(try seen("web", server))
                #expect(pod.status.phase == .running && pod.status.podIP.hasPrefix("10.1.0."))
                #expect(pod.status.hostIP == "192.0.2.1" && pod.status.startTime != nil)
                #expect(pod.status.containerStatuses.map(\.ready) == [true])
                #expect(pod.status.conditions.count == 5)
                let run = try #require(node.runtime.running("web"))
                #expect(run.status.labels[KubeletLabel.podUID] == pod.metadata.uid)
                try await eventually("the node is ready") {
                    let conditions = server.object("nodes", name: "n")?["status"]?["conditions"]?.array ?? []
                    return conditions.contains { $0["type"]?.string == "Ready" && $0["status"]?.string == "True" }
                }
                try await delete("web", in: server)
                try await eventually("gone") { try seen("web", server) == nil }
                // Why it was not ready once is not said of it when it is; its last generation was seen.
                let statuses = told.withLockedValue { $0 }
                let ready = statuses.compactMap { $0.condition(.ready) }.filter { $0.status == "True" }
                #expect(!ready.isEmpty && ready.allSatisfy { $0.reason.isEmpty && $0.message.isEmpty })
                #expect(statuses.last?.observedGeneration == 2)
                #expect(node.runtime.edit { $0.containers.isEmpty && $0.sandboxes.isEmpty })
                #expect(node.runtime.edit { $0.stops.map(\.grace) } == [5])
                // How it ended was told before it went.
                let patches = server.asked.filter { $0.method == "PATCH" && $0.target.contains("/pods/web/status") }
                #expect(patches.count >= 3)
                #expect(server.asked.filter { $0.method == "DELETE" && $0.user == "system:node:n" }.count == 1)
            }
        }
    }

    @Test func `an adapter that starts again goes on with what runs, and ends what was deleted meanwhile`() async throws
    {
        try await cluster { server, node in
            try await create(pod("stays"), in: server)
            try await create(pod("goes"), in: server)
            try await create(pod("forced"), in: server)
            try await node.running(in: server) { _ in
                try await eventually("ready") {
                    try ["stays", "goes", "forced"].allSatisfy { try isReady($0, server) }
                }
            }
            let before = try #require(try seen("stays", server)).status
            try await delete("goes", in: server)
            try await delete("forced", grace: 0, in: server)
            try await node.running(in: server) { _ in
                try await eventually("what was deleted is gone") {
                    try seen("goes", server) == nil && node.runtime.edit { $0.sandboxes.count == 1 }
                }
                try await eventually("its status is told again") { try isReady("stays", server) }
                let after = try #require(try seen("stays", server)).status
                #expect(after.startTime == before.startTime)
                #expect(after.conditions.map(\.lastTransitionTime) == before.conditions.map(\.lastTransitionTime))
                #expect(node.runtime.runs("stays").count == 1)
            }
        }
    }

    @Test func `a pod that has ended never runs again, also when nothing of it is left`() async throws {
        try await cluster { server, node in
            node.runtime.edit { $0.exits["busybox:1"] = 0 }
            try await create(pod("job") { $0.spec.restartPolicy = .never }, in: server)
            try await node.running(in: server) { _ in
                try await eventually("done") { try seen("job", server)?.status.phase == .succeeded }
            }
            node.runtime.edit {
                $0.containers = [:]
                $0.sandboxes = [:]
                $0.calls = [:]
            }
            try await node.running(in: server) { adapter in
                try await eventually("known") { adapter.store.all.count == 1 }
                try await create(pod("other") { $0.spec.restartPolicy = .never }, in: server)
                try await eventually("another is done") { try seen("other", server)?.status.phase == .succeeded }
                #expect(node.runtime.runs("job").isEmpty)
                #expect(try seen("job", server)?.status.phase == .succeeded)
                try await delete("job", in: server)
                try await eventually("gone") { try seen("job", server) == nil }
            }
        }
    }

    @Test func `another time to end counts when it is shorter`() async throws {
        try await cluster { server, node in
            try await node.running(in: server) { _ in
                try await create(pod("slow") { $0.spec.terminationGracePeriodSeconds = 300 }, in: server)
                try await eventually("ready") { try isReady("slow", server) }
                node.runtime.edit { $0.hangingStops = ["slow"] }
                try await delete("slow", in: server)
                try await eventually("it is being stopped") { node.runtime.calls["StopContainer"] == 1 }
                try await delete("slow", grace: 3, in: server)
                try await eventually("it is stopped with less time") { (node.runtime.calls["StopContainer"] ?? 0) > 1 }
                node.runtime.edit { $0.hangingStops = [] }
                try await delete("slow", grace: 2, in: server)
                try await eventually("gone") { try seen("slow", server) == nil }
                #expect(node.runtime.edit { $0.stops.last?.grace } == 2)
            }
        }
    }

    @Test func `a pod whose status the cluster does not take is deleted all the same`() async throws {
        try await cluster { server, node in
            try await node.running(in: server) { _ in
                try await create(pod("odd"), in: server)
                try await eventually("ready") { try isReady("odd", server) }
                server.fault {
                    $0.method == "PATCH" && $0.target.contains("/pods/odd/status")
                        ? .refuse(Refusal(422, "Invalid", "status: Invalid value")) : nil
                }
                try await delete("odd", in: server)
                try await eventually("gone") { try seen("odd", server) == nil }
            }
        }
    }

    @Test func `a new pod of a name waits until the old one is gone, and is another pod`() async throws {
        try await cluster { server, node in
            try await node.running(in: server) { _ in
                let old = try await create(pod("db"), in: server)
                try await eventually("ready") { try isReady("db", server) }
                try await delete("db", grace: 0, in: server)
                let new = try await create(pod("db"), in: server)
                try await eventually("the new one runs") { try isReady("db", server) }
                #expect(old.metadata.uid != new.metadata.uid)
                let run = try #require(node.runtime.running("db"))
                #expect(run.status.labels[KubeletLabel.podUID] == new.metadata.uid)
                #expect(node.runtime.edit { $0.sandboxes.count } == 1)
            }
        }
    }

    @Test func `environment comes from config maps and secrets, as soon as they are there`() async throws {
        try await cluster { server, node in
            let spec = """
                {"kind":"Pod","apiVersion":"v1","metadata":{"name":"app","namespace":"default"},"spec":{"nodeName":"n",
                "containers":[{"name":"app","image":"busybox:1",
                "env":[{"name":"KEY","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],
                "envFrom":[{"configMapRef":{"name":"m"}}]}]}}
                """
            let app = try Pod(try Documents.json(Array(spec.utf8)))
            try await node.running(in: server) { _ in
                try await create(app, in: server)
                try await eventually("it says what is missing") {
                    let waiting = try seen("app", server)?.status.containerStatuses.first?.state.waiting
                    return waiting?.reason == "CreateContainerConfigError"
                }
                for (plural, text) in [
                    (
                        "configmaps",
                        #"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m","namespace":"default"},"data":{"COLOUR":"blue"}}"#
                    ),
                    (
                        "secrets",
                        #"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","namespace":"default"},"data":{"k":"aGlkZGVu"}}"#
                    ),
                ] { server.put(try Documents.json(Array(text.utf8)), as: plural) }
                try await eventually("ready") { try isReady("app", server) }
                let run = try #require(node.runtime.running("app"))
                func value(_ name: String) -> [UInt8]? { run.config.envs.first { $0.key == name }?.value }
                #expect(value("COLOUR") == Array("blue".utf8) && value("KEY") == Array("hidden".utf8))
                #expect(node.logged("hidden").isEmpty)
            }
        }
    }

    @Test func `edits of a pod that runs change what they must and nothing else`() async throws {
        try await cluster { server, node in
            try await node.running(in: server) { _ in
                try await create(pod("web"), in: server)
                try await eventually("ready") { try isReady("web", server) }
                func patch(_ text: String) async throws {
                    try await server.client { client async throws in
                        _ = try await client.patch(
                            .pods, namespace: "default", name: "web", try Documents.json(Array(text.utf8)))
                    }
                }
                try await patch(#"{"metadata":{"labels":{"tier":"front"}}}"#)
                try await patch(#"{"spec":{"containers":[{"name":"web","image":"pulled:1"}]}}"#)
                try await eventually("the new image runs") {
                    node.runtime.running("web")?.config.image?.userSpecifiedImage == "pulled:1"
                        || node.runtime.runs("web").count == 2
                }
                try await eventually("ready again") {
                    try seen("web", server)?.status.containerStatuses.first?.restartCount == 1 && isReady("web", server)
                }
                #expect(node.runtime.edit { $0.sandboxes.count } == 1)
            }
        }
    }

    @Test func `without the API server pods run on, and what happened is told when it is back`() async throws {
        try await cluster { server, node in
            try await node.running(in: server) { adapter in
                try await create(pod("web") { $0.spec.restartPolicy = .never }, in: server)
                try await eventually("ready") { try isReady("web", server) }
                await server.stop()
                node.runtime.exit("web", 4)
                try await eventually("its end is seen") { adapter.store.all.first?.status.phase == .failed }
                try await server.start()
                try await eventually("its end is told", within: .seconds(60)) {
                    try seen("web", server)?.status.containerStatuses.first?.state.terminated?.exitCode == 4
                }
                #expect(try seen("web", server)?.status.phase == .failed)
            }
        }
    }
}
