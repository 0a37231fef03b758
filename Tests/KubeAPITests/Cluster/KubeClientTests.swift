import APIServer
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Support
import Testing

@testable import KubeAPI

func samplePod(_ name: String, node: String = "n1", image: String = "busybox:1") -> Pod {
    Pod {
        $0.metadata.name = name
        $0.metadata.namespace = "default"
        $0.spec.nodeName = node
        $0.spec.containers = [
            Container {
                $0.name = "main"
                $0.image = image
            }
        ]
    }
}

@Suite(.timeLimit(.minutes(2))) struct KubeClientTests {
    /// What the work fails with; nothing else is thrown.
    private static func failure(_ work: () async throws -> Void) async -> KubeAPIError? {
        do {
            try await work()
            Issue.record("it did not fail")
            return nil
        } catch {
            #expect(error is KubeAPIError, "\(error)")
            return error as? KubeAPIError
        }
    }

    @Test func `every request is told of, with what came of it`() async throws {
        try await APIServerDouble.with { server in
            let calls = NIOLockedValueBox<[String]>([])
            let options = KubeClient.Options { call in
                calls.withLockedValue { $0.append("\(call.method) \(call.host) \(call.status ?? -1)") }
            }
            let host = "\(server.connection().server.host):\(server.connection().server.port)"
            try await server.client(options: options) { client async throws in
                _ = try await client.create(samplePod("a"), as: .pods, namespace: "default")
                _ = await Self.failure { _ = try await client.get(.pods, namespace: "default", name: "b") }
                #expect(calls.withLockedValue { $0 } == ["POST \(host) 201", "GET \(host) 404"])
            }
        }
    }

    @Test func `objects are made, read, changed and deleted, and what stands in the way is told apart`() async throws {
        try await APIServerDouble.with { server in
            try await server.client { client async throws in
                let made = try await client.create(samplePod("a"), as: .pods, namespace: "default")
                #expect(made.status.phase == .pending && !made.metadata.uid.isEmpty)
                let again = await Self.failure {
                    _ = try await client.create(samplePod("a"), as: .pods, namespace: "default")
                }
                #expect(again?.isAlreadyThere == true && again?.isConflict == false)
                let missing = await Self.failure { _ = try await client.get(.pods, namespace: "default", name: "b") }
                #expect(missing?.isNotFound == true)
                #expect("\(missing!)".contains("pods \"b\" not found"))

                let patch = Value(
                    .object([
                        Member("status", Value(.object([Member("phase", Value(.string("Running")))])))
                    ]))
                let running = try await client.patch(
                    .pods, namespace: "default", name: "a", subresource: "status", patch)
                #expect(running.status.phase == .running && running.metadata.generation == 1)

                var stale = made
                stale.spec.containers[0].image = "busybox:2"
                let conflict = await Self.failure {
                    _ = try await client.replace(stale, as: .pods, namespace: "default")
                }
                #expect(conflict?.isConflict == true)
                stale.metadata.resourceVersion = running.metadata.resourceVersion
                #expect(try await client.replace(stale, as: .pods, namespace: "default").metadata.generation == 2)

                let other = await Self.failure {
                    try await client.delete(.pods, namespace: "default", name: "a", grace: 0, uid: "another")
                }
                #expect(other?.isConflict == true)
                try await client.delete(.pods, namespace: "default", name: "a", grace: 7)
                let going = try await client.get(.pods, namespace: "default", name: "a")
                #expect(going.metadata.deletionGracePeriodSeconds == 7 && going.metadata.deletionTimestamp != nil)
                try await client.delete(
                    .pods, namespace: "default", name: "a", grace: 0, uid: made.metadata.uid)
                #expect(server.object("pods", namespace: "default", name: "a") == nil)
            }
        }
    }

    @Test func `a server that says when to ask again is asked again then`() async throws {
        try await APIServerDouble.with { server in
            try await server.client { client async throws in
                server.put(samplePod("a").encodedAlways(), as: "pods")
                server.fault { [weak server] _ in
                    (server?.asked.count ?? 0) <= 2
                        ? .refuse(Refusal(429, "TooManyRequests", "later", retryAfter: 0)) : nil
                }
                #expect(try await client.get(.pods, namespace: "default", name: "a").metadata.name == "a")
                #expect(server.asked.count == 3)
            }
        }
    }

    @Test func `a server that does not answer is said to be away, within the time a request has`() async throws {
        try await APIServerDouble.with { server in
            var options = KubeClient.Options()
            options.timeout = .milliseconds(300)
            let client = KubeClient(
                server.connection(), options: options, group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "test"))
            func code() async -> KubeAPIError.Code? {
                await Self.failure { _ = try await client.get(.pods, namespace: "default", name: "a") }?.code
            }
            server.fault { _ in .silence }
            #expect(await code() == .unavailable)
            server.clearFaults()
            server.fault { _ in .hangUp }
            #expect(await code() == .unavailable)
            await server.stop()
            #expect(await code() == .unavailable)
            await client.shutdown()
        }
    }

    @Test func `a node sees its own pods and the secrets they use, and nothing else`() async throws {
        try await APIServerDouble.with { server in
            var pod = samplePod("mine")
            pod.spec.volumes = [
                try Volume(
                    try Documents.json(Array(#"{"name":"v","secret":{"secretName":"used"}}"#.utf8)))
            ]
            server.put(pod.encodedAlways(), as: "pods")
            server.put(samplePod("other", node: "n2").encodedAlways(), as: "pods")
            try await server.client(as: .node("n1")) { client async throws in
                let own = ListSelection(fields: "spec.nodeName=n1")
                #expect(try await client.list(.pods, own).items.map(\.metadata.name) == ["mine"])
                func forbidden(_ work: () async throws -> Void) async {
                    #expect(await Self.failure(work)?.isForbidden == true)
                }
                await forbidden { _ = try await client.list(.pods) }
                await forbidden { _ = try await client.get(.pods, namespace: "default", name: "other") }
                await forbidden {
                    try await client.delete(.pods, namespace: "default", name: "other", uid: "x")
                }
            }
        }
    }
}
