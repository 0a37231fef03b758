import KubeAPI
import NIOConcurrencyHelpers
import Proto
import RPC
import Support
import Testing

@testable import VKAdapter

/// Probes and hooks of pods that run.
@Suite(.timeLimit(.minutes(2))) struct ProbeLifeTests {
    /// Answers of commands by their first word; others succeed.
    final class Answers: Sendable {
        private let codes: NIOLockedValueBox<[String: Int32]>
        init(_ codes: [String: Int32] = [:]) { self.codes = NIOLockedValueBox(codes) }
        func set(_ command: String, _ code: Int32) { codes.withLockedValue { $0[command] = code } }
        func answer(_ command: [String]) -> (Int32, String) {
            let code = codes.withLockedValue { $0[command.first ?? ""] ?? 0 }
            return (code, code == 0 ? "" : "not well")
        }
    }

    func node(_ answers: Answers, _ body: (VKAdapterTests.Node) async throws -> Void) async throws {
        try await Node.with { node in
            node.runtime.edit { $0.command = { _, command in answers.answer(command) } }
            try await body(node)
        }
    }

    func commands(_ node: VKAdapterTests.Node) -> [String] {
        node.runtime.edit { $0.commands.map { $0.command.joined(separator: " ") } }
    }

    @Test("a container is ready when its readiness probe says so, and not any more when it does not")
    func readiness() async throws {
        let answers = Answers(["ready": 1])
        try await node(answers) { node in
            try node.pod(
                "web",
                more: "    readinessProbe: {exec: {command: [ready, $(WHO)]}, periodSeconds: 1, failureThreshold: 1}\n"
                    + "    env: [{name: WHO, value: me}]")
            try await node.running { adapter in
                try await eventually("asked") { commands(node).contains("ready me") }
                try await eventually("running") { adapter.phase("web") == .running }
                #expect(!adapter.isReady("web"))
                #expect(adapter.status("web")?.containerStatuses[0].started == true)
                answers.set("ready", 0)
                try await eventually("ready") { adapter.isReady("web") }
                answers.set("ready", 2)
                try await eventually("not ready") { !adapter.isReady("web") }
                #expect(adapter.status("web")?.containerStatuses[0].restartCount == 0)
            }
        }
    }

    @Test("a container that fails its liveness probe is started again, with the probe's own time to end")
    func liveness() async throws {
        let answers = Answers(["alive": 1])
        try await node(answers) { node in
            try node.pod(
                "web",
                more: "    livenessProbe: {exec: {command: [alive]}, periodSeconds: 1, failureThreshold: 2, "
                    + "terminationGracePeriodSeconds: 3}")
            try await node.running { adapter in
                try await eventually("stopped") { node.runtime.edit { !$0.stops.isEmpty } }
                #expect(node.runtime.edit { $0.stops.first?.grace } == 3)
                #expect(commands(node).filter { $0 == "alive" }.count >= 2)
                answers.set("alive", 0)
                try await eventually("restarted") {
                    adapter.status("web")?.containerStatuses[0].restartCount ?? 0 >= 1 && adapter.isReady("web")
                }
                #expect(!node.logged("failed liveness probe, will be restarted").isEmpty)
            }
        }
    }

    @Test(
        "no other probe is asked before the start-up probe has succeeded, and the container has not started till then")
    func startup() async throws {
        let answers = Answers(["up": 1, "alive": 1])
        try await node(answers) { node in
            try node.pod(
                "web",
                more: "    startupProbe: {exec: {command: [up]}, periodSeconds: 1, failureThreshold: 1000}\n"
                    + "    livenessProbe: {exec: {command: [alive]}, periodSeconds: 1, failureThreshold: 1000}")
            try await node.running { adapter in
                try await eventually("asked twice") { commands(node).filter { $0 == "up" }.count >= 2 }
                #expect(!commands(node).contains("alive"))
                #expect(adapter.status("web")?.containerStatuses[0].started == false)
                answers.set("up", 0)
                try await eventually("started") { adapter.status("web")?.containerStatuses[0].started == true }
                try await eventually("asked") { commands(node).contains("alive") }
                #expect(adapter.isReady("web"))
            }
        }
    }

    @Test("a side-car holds back those behind it until it has started")
    func sidecar() async throws {
        let answers = Answers(["up": 1])
        try await node(answers) { node in
            try node.write(
                "web.yaml",
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  initContainers:
                  - name: side
                    image: busybox:1
                    restartPolicy: Always
                    startupProbe: {exec: {command: [up]}, periodSeconds: 1, failureThreshold: 1000}
                  containers: [{name: web, image: "busybox:1"}]
                """)
            try await node.running { adapter in
                try await eventually("asked twice") { commands(node).filter { $0 == "up" }.count >= 2 }
                #expect(node.runtime.runs("web").isEmpty)
                answers.set("up", 0)
                try await eventually("ready") { adapter.isReady("web") }
            }
        }
    }

    @Test("a probe whose runtime cannot say anything counts for nothing")
    func booting() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.command = { _, _ in throw RPCError(.unavailable, "GuestBooting") } }
            try node.pod(
                "web",
                more: "    livenessProbe: {exec: {command: [alive]}, periodSeconds: 1, failureThreshold: 1}")
            try await node.running { adapter in
                try await eventually("asked") { node.runtime.edit { $0.commands.count } >= 2 }
                #expect(node.runtime.edit { $0.stops.isEmpty })
                #expect(adapter.isReady("web"))
            }
        }
    }

    @Test("a container is not ready before its postStart hook is done, and those behind it start afterwards")
    func postStart() async throws {
        try await node(Answers()) { node in
            node.runtime.edit { $0.heldCommand = "hook" }
            try node.write(
                "web.yaml",
                """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  containers:
                  - name: web
                    image: busybox:1
                    lifecycle: {postStart: {exec: {command: [hook]}}}
                  - {name: other, image: "busybox:1"}
                """)
            try await node.running { adapter in
                try await eventually("running") { adapter.status("web")?.containerStatuses[0].state.running != nil }
                try await eventually("hook runs") { commands(node) == ["hook"] }
                #expect(adapter.status("web")?.containerStatuses[0].ready == false)
                #expect(node.runtime.runs("other").isEmpty)
                node.runtime.edit { $0.heldCommand = "" }
                try await eventually("ready") { adapter.isReady("web") }
                #expect(commands(node) == ["hook"])
            }
            // Found again, it has started: the hook is not for it any more.
            try await node.running { adapter in
                try await eventually("found") { adapter.isReady("web") }
                #expect(commands(node) == ["hook"])
            }
        }
    }

    @Test("the time of a machine's postStart hook begins when its guest takes commands")
    func machineHook() async throws {
        try await node(Answers()) { node in
            node.runtime.edit {
                $0.machines = ["busybox:1"]
                $0.heldCommand = "true"
            }
            try node.pod("web", more: "    lifecycle: {postStart: {exec: {command: [hook]}}}")
            try await node.running { adapter in
                try await eventually("it boots") { commands(node) == ["true"] }
                #expect(adapter.status("web")?.containerStatuses[0].ready == false)
                node.runtime.edit { $0.heldCommand = "" }
                try await eventually("ready") { adapter.isReady("web") }
                #expect(commands(node) == ["true", "hook"])
            }
        }
    }

    @Test("a container whose postStart hook fails is stopped and started again")
    func failingHook() async throws {
        let answers = Answers(["hook": 7])
        try await node(answers) { node in
            try node.pod("web", more: "    lifecycle: {postStart: {exec: {command: [hook, now]}}}")
            try await node.running { adapter in
                try await eventually("stopped") { node.runtime.edit { !$0.stops.isEmpty } }
                #expect(
                    !node.logged(
                        "Exec lifecycle hook ([hook, now]) for Container \"web\" failed - error: command 'hook now' "
                            + "exited with 7: not well"
                    ).isEmpty)
                answers.set("hook", 0)
                try await eventually("ready") { adapter.isReady("web") }
                #expect(adapter.status("web")?.containerStatuses[0].restartCount ?? 0 > 0)
            }
        }
    }

    @Test("the preStop hook runs before the stop, and what it takes is not the container's any more")
    func preStop() async throws {
        try await node(Answers()) { node in
            node.runtime.edit { $0.heldCommand = "hook" }
            try node.pod("web", more: "    lifecycle: {preStop: {exec: {command: [hook]}}}")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                try node.remove("web.yaml")
                try await eventually("hook runs") { commands(node) == ["hook"] }
                #expect(node.runtime.edit { $0.stops.isEmpty })
                try await Task.sleep(for: .milliseconds(1100))
                node.runtime.edit { $0.heldCommand = "" }
                try await eventually("gone") { adapter.store.all.isEmpty }
                let grace = try #require(node.runtime.edit { $0.stops.first?.grace })
                #expect((2...4).contains(grace), "\(grace) of 5 s")
                #expect(commands(node) == ["hook"])
            }
        }
    }

    @Test("a preStop hook that does not end has the grace period and no more")
    func endlessHook() async throws {
        try await node(Answers()) { node in
            node.runtime.edit { $0.heldCommand = "hook" }
            try node.pod("web", more: "    lifecycle: {preStop: {exec: {command: [hook]}}}")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                try node.remove("web.yaml")
                try await eventually("gone") { adapter.store.all.isEmpty }
                #expect(node.runtime.edit { $0.stops.map(\.grace) } == [2])
            }
        }
    }
}
