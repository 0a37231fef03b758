import Foundation
import KubeAPI
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct NodePodsTests {
    @Test(
        "ages are rounded as kubectl rounds them",
        arguments: [
            (0, "0s"), (119, "119s"), (120, "2m"), (125, "2m5s"), (600, "10m"), (10799, "179m"), (10800, "3h"),
            (11400, "3h10m"), (86400, "24h"), (172_800, "2d"), (176_400, "2d1h"), (86400 * 9, "9d"),
            (86400 * 365 * 3, "3y"), (-5, "0s"),
        ] as [(Int64, String)])
    func ages(seconds: Int64, text: String) { #expect(Age.text(.seconds(seconds)) == text) }

    private func pod(_ configure: (inout Pod) -> Void) -> Pod {
        var pod = Pod()
        pod.metadata.name = "p"
        pod.metadata.namespace = "default"
        pod.spec.containers = [Container { $0.name = "a" }, Container { $0.name = "b" }]
        pod.status.phase = .running
        configure(&pod)
        return pod
    }

    private static func status(_ name: String, _ configure: (inout ContainerStatus) -> Void) -> ContainerStatus {
        var status = ContainerStatus()
        status.name = name
        configure(&status)
        return status
    }

    @Test func `a pod's word is what holds it up`() {
        let waiting = pod {
            $0.status.containerStatuses = [
                Self.status("a") { $0.state = .waiting(reason: "CrashLoopBackOff") },
                Self.status("b") {
                    $0.state.running = .init()
                    $0.ready = true
                },
            ]
        }
        #expect(waiting.statusText == "CrashLoopBackOff" && waiting.readyText == "1/2")
        let first = pod {
            $0.spec.initContainers = [Container { $0.name = "i" }, Container { $0.name = "j" }]
            $0.status.phase = .pending
            $0.status.initContainerStatuses = [
                Self.status("i") { $0.state.terminated = .init() },
                Self.status("j") { $0.state.running = .init() },
            ]
        }
        #expect(first.statusText == "Init:1/2" && first.readyText == "0/2")
        #expect(pod { $0.metadata.deletionTimestamp = .now() }.statusText == "Terminating")
        #expect(pod { $0.status.reason = "Evicted" }.statusText == "Evicted")
        let done = pod {
            $0.status.phase = .succeeded
            $0.status.containerStatuses = [
                Self.status("a") {
                    $0.state.terminated = .init()
                    $0.state.terminated?.reason = "Completed"
                }
            ]
        }
        #expect(done.statusText == "Completed")
    }

    @Test func `columns are as wide as they need, and nothing in them moves the cursor`() {
        let table = Table(["A", "BB"], [["long", "x"], ["s", "a\u{1B}[2Jb\nc"]])
        #expect(table.text == "A      BB\nlong   x\ns      a [2Jb c\n")
    }

    @Test func `the last events of a pod are kept, the same ones counted, and those of gone pods forgotten`() {
        let events = RecentEvents(NoPodEvents(), limit: 3)
        let one = pod { $0.metadata.uid = "u" }
        for index in 0..<5 { events.record(one, .normal, reason: "R\(index)", message: "m") }
        events.record(one, .warning, reason: "R3", message: "m")
        #expect(events.events(of: "u").map(\.reason) == ["R2", "R4", "R3"])
        #expect(events.events(of: "u").map(\.count) == [1, 1, 2])
        events.keep([])
        #expect(events.events(of: "u").isEmpty)
    }

    @Test func `the pods of a running adapter are shown to its user, through a socket nobody else may open`()
        async throws
    {
        try await Node.with { node in
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let path = AdminServer.path(root: node.root)
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                let pods = try await NodePods.ask(root: node.root)
                let lines = pods.table().split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
                #expect(lines.first == ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"])
                #expect(Array(lines[1][0...4]) == ["default", "web-n", "1/1", "Running", "0"])
                #expect(pods.table(namespace: "other") == "No pods.\n")
                let details = try pods.details("default/web-n")
                #expect(details.contains("Conditions:") && details.contains("ContainersReady"))
                #expect(details.contains("busybox:1") && details.contains("Events:"))
                #expect(throws: AdapterError.self) { try pods.details("none") }
            }
            await #expect(throws: AdapterError.self) { () async throws in
                _ = try await NodePods.ask(root: node.root)
            }
        }
    }
}
