import KubeAPI
import Proto
import Sockets
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct RestartTests {
    @Test("an adapter that starts again finds its pods and makes nothing new")
    func adapterRestart() async throws {
        try await Node.with { node in
            try node.pod("web")
            try node.pod("job", "Never")
            let before = try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") && adapter.isReady("job") }
                node.runtime.exit("web", 1)
                try await eventually("restarted") {
                    adapter.status("web")?.containerStatuses[0].restartCount == 1 && adapter.isReady("web")
                }
                return try #require(adapter.status("web"))
            }
            // An exit nobody saw.
            node.runtime.exit("job", 7)
            let calls = node.runtime.calls
            try await node.running { adapter in
                try await eventually("found") { adapter.isReady("web") && adapter.phase("job") == .failed }
                let after = try #require(adapter.status("web"))
                #expect(after.containerStatuses == before.containerStatuses)
                #expect(after.podIP == before.podIP)
                #expect(adapter.status("job")?.containerStatuses[0].state.terminated?.exitCode == 7)
                for call in ["RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "PullImage"] {
                    #expect(node.runtime.calls[call] == calls[call], "\(call)")
                }
            }
        }
    }

    @Test("a container that was made and not started is started, not made again")
    func halfMade() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.losesCreateAnswers = true }
            try node.pod("web")
            try await node.running { _ in
                try await eventually("made") { node.runtime.calls["CreateContainer"] == 1 }
            }
            node.runtime.edit { $0.losesCreateAnswers = false }
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                #expect(adapter.status("web")?.containerStatuses[0].restartCount == 0)
                #expect(node.runtime.calls["CreateContainer"] == 1)
            }
        }
    }

    @Test("a sandbox that a dead adapter's call is still making is waited for, without a word of error")
    func stillBeingMade() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.busySandboxes = 3 }
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                #expect(node.runtime.calls["RunPodSandbox"] == 4)
                #expect(node.logged("error").isEmpty)
            }
        }
    }

    @Test("pods whose file went while the adapter was away are removed; another node's are not touched")
    func orphans() async throws {
        try await Node.with { node in
            try node.pod("web")
            try node.pod("other")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") && adapter.isReady("other") }
            }
            node.runtime.edit { state in
                for (id, sandbox) in state.sandboxes where sandbox.config.metadata?.name == "other-n" {
                    state.sandboxes[id]?.status.labels[CRIProvider.nodeLabel] = "m"
                }
                for (id, container) in state.containers where container.config.metadata?.name == "other" {
                    state.containers[id]?.status.labels[CRIProvider.nodeLabel] = "m"
                }
            }
            try node.remove("web.yaml")
            try node.remove("other.yaml")
            try await node.running { adapter in
                try await eventually("removed") {
                    node.runtime.runs("web").isEmpty && node.runtime.edit { $0.sandboxes.count } == 1
                }
                #expect(node.runtime.edit { $0.stops.map(\.grace) } == [5])
                #expect(node.runtime.running("other") != nil)
            }
        }
    }

    @Test("an edited manifest replaces its pod: the old one is gone before the new one starts")
    func edit() async throws {
        try await Node.with { node in
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let old = node.runtime.running("web")?.sandbox
                try node.pod("web", image: "pulled:1")
                try await eventually("replaced") {
                    let status = adapter.status("web")
                    return status?.condition(.ready)?.status == "True"
                        && status?.containerStatuses[0].image == "pulled:1"
                }
                #expect(node.runtime.edit { $0.sandboxes.count } == 1)
                #expect(node.runtime.running("web")?.sandbox != old)
                #expect(adapter.store.all.count == 1)
            }
        }
    }

    @Test("broken YAML gives one clear line; its pod and all others run on, also over a restart of the adapter")
    func brokenYAML() async throws {
        try await Node.with { node in
            try node.pod("web")
            try node.pod("other")
            let ids = try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") && adapter.isReady("other") }
                try node.write("web.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: web\n")
                try await eventually("said") { !node.logged("web.yaml:").isEmpty }
                #expect(adapter.isReady("web"))
                return Set(node.runtime.edit { $0.containers.keys })
            }
            #expect(node.logged("web.yaml:").count == 1)
            try await node.running { adapter in
                try await eventually("other found") { adapter.isReady("other") }
                #expect(Set(node.runtime.edit { $0.containers.keys }) == ids)
                #expect(node.runtime.running("web") != nil)
                // Mended as it was, the pod is the same.
                try node.pod("web")
                try await eventually("web found") { adapter.isReady("web") }
                #expect(Set(node.runtime.edit { $0.containers.keys }) == ids)
            }
        }
    }

    @Test("while the runtime is away pods stay as they are, the log says so once, and work goes on when it is back")
    func runtimeAway() async throws {
        try await Node.with { node in
            try node.pod("web")
            try await node.adapter(.unix(path: node.socket)) { adapter in
                try await eventually("said") { !node.logged("the runtime is away").isEmpty }
                try await eventually("pending") { adapter.phase("web") == .pending }
                try await node.runtime.serve(node.socket) { _ in
                    try await eventually("ready") { adapter.isReady("web") }
                }
                node.runtime.exit("web", 1)
                #expect(adapter.isReady("web"))
                try await node.runtime.serve(node.socket) { _ in
                    try await eventually("restarted") { node.runtime.running("web")?.status.metadata?.attempt == 1 }
                }
                #expect(node.logged("the runtime is away").count <= 3)
            }
        }
    }

    @Test("a pod that is removed while its image is pulled goes at once")
    func removalDuringTrouble() async throws {
        try await Node.with { node in
            try node.pod("web", image: "nowhere:1")
            try await node.running { adapter in
                try await eventually("waits") {
                    adapter.status("web")?.containerStatuses[0].state.waiting?.reason == "ErrImagePull"
                }
                try node.remove("web.yaml")
                try await eventually("gone") { adapter.store.all.isEmpty && node.runtime.edit { $0.sandboxes.isEmpty } }
            }
        }
    }

    @Test("a runtime that says it stopped a container and did not is asked again, but not without pause")
    func ignoredStops() async throws {
        try await Node.with { node in
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                node.runtime.edit { $0.ignoresStops = true }
                try node.remove("web.yaml")
                try await eventually("asked twice") { node.runtime.edit { $0.stops.count } == 2 }
                #expect(node.runtime.calls["ListContainers"] ?? 0 < 30)
                node.runtime.edit { $0.ignoresStops = false }
                try await eventually("gone") { adapter.store.all.isEmpty }
                #expect(node.runtime.edit { $0.stops.count } <= 4)
            }
        }
    }

    @Test("files of pods that are gone are removed at start")
    func leftoverFiles() async throws {
        try await Node.with { node in
            let volumes = LocalVolumeHost(root: node.root)
            _ = try await volumes.containerFiles(pod: "gone", container: "c", attempt: 0, hosts: nil)
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("cleared") { !node.exists("\(node.root)/pods/gone") }
                try await eventually("ready") { adapter.isReady("web") }
            }
        }
    }

    @Test("a second adapter with the same root is refused with one line")
    func twoAdapters() async throws {
        try await Node.with { node in
            try await node.running { _ in
                await #expect(throws: AdapterError.self) {
                    try await node.adapter(.unix(path: node.socket)) { _ in }
                }
            }
        }
    }
}
