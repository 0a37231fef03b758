import APIServer
import KubeAPI
import Logging
import NIOPosix
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct EventRecorderTests {
    private func recording(
        _ server: APIServerDouble, queue: Int = 1000, _ body: (EventRecorder) async throws -> Void
    ) async throws {
        var policy = EventRecorder.Policy()
        policy.retry = .milliseconds(20)
        policy.tries = 100_000
        policy.queue = queue
        var options = KubeClient.Options()
        options.timeout = .milliseconds(500)
        let client = KubeClient(
            server.connection(as: .node("n")), options: options, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let recorder = EventRecorder(client: client, host: "n", policy: policy, logger: Logger(label: "test"))
        let task = Task { await recorder.run() }
        do {
            try await body(recorder)
        } catch {
            task.cancel()
            await client.shutdown()
            throw error
        }
        task.cancel()
        await task.value
        await client.shutdown()
    }

    private var pod: Pod {
        Pod {
            $0.metadata.name = "web"
            $0.metadata.namespace = "default"
            $0.metadata.uid = "1"
        }
    }

    @Test func `what happens is told with the rights of a node, and what happens again counts`() async throws {
        try await APIServerDouble.with { server in
            try await recording(server) { recorder in
                for _ in 0..<3 { recorder.record(ObjectReference(pod), .warning, "BackOff", "again") }
                try await eventually("it is counted") { try server.events().map(\.count) == [3] }
                let event = try #require(try server.events().first)
                #expect(event.involvedObject.name == "web" && event.reason == "BackOff" && event.message == "again")
                // An event that the cluster has forgotten is told anew.
                server.remove("events", namespace: "default", name: event.metadata.name)
                recorder.record(ObjectReference(pod), .warning, "BackOff", "again")
                try await eventually("it is there again") { try server.events().map(\.count) == [4] }
            }
        }
    }

    @Test func `a cluster that is away for a while is told later, and nobody waits for it`() async throws {
        try await APIServerDouble.with { server in
            try await recording(server, queue: 10) { recorder in
                server.fault { _ in .hangUp }
                let start = ContinuousClock.now
                for index in 0..<100 { recorder.record(ObjectReference(node: "n"), .normal, "R\(index)", "m") }
                #expect(ContinuousClock.now - start < .seconds(5))
                try await eventually("it is tried") { server.asked.count > 2 }
                server.clearFaults()
                try await eventually("what fitted into the queue is told") { try server.events().count >= 10 }
                #expect(try server.events().count <= 12)
            }
        }
    }

    @Test func `what the cluster refuses for good holds nothing up`() async throws {
        try await APIServerDouble.with { server in
            try await recording(server) { recorder in
                server.fault { asked in
                    asked.target.contains("/namespaces/gone/")
                        ? .refuse(Refusal(403, "Forbidden", "the namespace is being terminated")) : nil
                }
                var other = pod
                other.metadata.namespace = "gone"
                recorder.record(ObjectReference(other), .normal, "Killing", "m")
                recorder.record(ObjectReference(pod), .normal, "Killing", "m")
                try await eventually("the next is told") { try server.events().count == 1 }
                #expect(server.asked.filter { $0.target.contains("/namespaces/gone/") }.count == 1)
            }
        }
    }

    @Test func `a node tells what becomes of it`() {
        let description = NodeDescription(name: "n")
        var before = NodeStatus()
        before.nodeInfo.bootID = "one"
        before.conditions = [
            NodeCondition {
                $0.type = .ready
                $0.status = "False"
            },
            NodeCondition {
                $0.type = .diskPressure
                $0.status = "False"
            },
        ]
        var after = before
        after.conditions[0].status = "True"
        var rebooted = description
        rebooted.info.bootID = "two"
        #expect(description.occurrences(before: before, after: before).isEmpty)
        #expect(rebooted.occurrences(before: before, after: after).map(\.reason) == ["Rebooted", "NodeReady"])
        after.conditions[1].status = "True"
        #expect(
            description.occurrences(before: before, after: after).map(\.reason) == ["NodeReady", "NodeHasDiskPressure"])
        #expect(description.occurrences(before: nil, after: before).map(\.reason).contains("NodeNotReady"))
    }
}

extension APIServerDouble {
    /// All events, in order of their names.
    func events() throws -> [Event] {
        try objects("events").map { try Event($0) }.sorted { $0.metadata.name < $1.metadata.name }
    }
}
