import Foundation
import KubeAPI
import Proto
import RPC
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct PodLifeTests {
    @Test("a manifest becomes a running pod, and goes with its file, leaving nothing")
    func wholeLife() async throws {
        try await Node.with { node in
            try node.pod(
                "web",
                more: [
                    "    volumeMounts:", "    - {name: data, mountPath: /data}", "  volumes:",
                    "  - {name: data, emptyDir: {}}",
                ]
                .joined(separator: "\n"))
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let status = try #require(adapter.status("web"))
                #expect(status.phase == .running)
                #expect(status.podIP.hasPrefix("10.1.0."))
                #expect(status.containerStatuses[0].containerID.hasPrefix("fake://container"))
                let run = try #require(node.runtime.running("web"))
                let uid = try #require(run.status.labels[KubeletLabel.podUID])
                #expect(run.status.labels[CRIProvider.nodeLabel] == "n")
                let mount = try #require(run.config.mounts.first { $0.containerPath == "/data" })
                #expect(mount.hostPath == "\(node.root)/pods/\(uid)/volumes/kubernetes.io~empty-dir/data")
                #expect(node.exists(mount.hostPath))
                #expect(node.exists("\(node.directory)/logs/default_web-n_\(uid)/web"))
                #expect(run.status.logPath == "\(node.directory)/logs/default_web-n_\(uid)/web/0.log")

                try node.remove("web.yaml")
                try await eventually("gone") { adapter.store.all.isEmpty }
                #expect(node.runtime.edit { $0.containers.isEmpty && $0.sandboxes.isEmpty })
                #expect(node.runtime.edit { $0.stops.map(\.grace) } == [5])
                #expect(!node.exists("\(node.root)/pods/\(uid)"))
                #expect(!node.exists("\(node.directory)/logs/default_web-n_\(uid)"))
            }
        }
    }

    @Test("a pod with a machine in it gets a sandbox for machines, and its containers find the machine by name")
    func hybrid() async throws {
        try await Node.with { node in
            node.runtime.edit {
                $0.images.insert("mac:1")
                $0.machines = ["mac:1"]
            }
            try node.pod("web", more: "  - {name: mac, image: 'mac:1'}")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let sandbox = try #require(node.runtime.edit { $0.sandboxes.values.first })
                #expect(sandbox.handler == "vm")
                #expect(sandbox.config.annotations["vzcri.dev/pod-kind"] == "hybrid")
                #expect(sandbox.config.annotations["vzcri.dev/vm-slots"] == "1")
                let run = try #require(node.runtime.running("web"))
                #expect(run.config.image?.runtimeHandler == "vm")
                let hosts = try #require(run.config.mounts.first { $0.containerPath == "/etc/hosts" })
                let text = try String(contentsOfFile: hosts.hostPath, encoding: .utf8)
                #expect(text.contains("\n\(sandbox.status.network?.ip ?? "-")\tvm\n"))
            }
        }
    }

    @Test("a container is restarted as its policy says, and the count is the runtime's")
    func restartPolicies() async throws {
        try await Node.with { node in
            try node.pod("always")
            try node.pod("onfailure", "OnFailure")
            try node.pod("never", "Never")
            try await node.running { adapter in
                let names = ["always", "onfailure", "never"]
                try await eventually("running") { names.allSatisfy { adapter.isReady($0) } }
                for name in names { node.runtime.exit(name, 3) }
                try await eventually("always is restarted") {
                    adapter.status("always")?.containerStatuses[0].restartCount == 1
                }
                try await eventually("onfailure is restarted") {
                    node.runtime.running("onfailure")?.status.metadata?.attempt == 1
                }
                try await eventually("never failed") { adapter.phase("never") == .failed }
                let last = try #require(adapter.status("always")).containerStatuses[0].lastState.terminated
                #expect(last?.exitCode == 3)
                #expect(node.runtime.runs("always")[1].status.logPath.hasSuffix("/always/1.log"))

                for name in ["always", "onfailure"] { node.runtime.exit(name, 0) }
                try await eventually("always is restarted again") {
                    node.runtime.running("always")?.status.metadata?.attempt == 2
                }
                try await eventually("onfailure is done") { adapter.phase("onfailure") == .succeeded }
                #expect(node.runtime.runs("onfailure").count == 2)
                #expect(node.runtime.runs("never").count == 1)
            }
        }
    }

    @Test("a container that keeps failing is in CrashLoopBackOff; of its runs two are kept")
    func crashLoop() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.exits["busybox:1"] = 1 }
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("crash loop") {
                    adapter.status("web")?.containerStatuses[0].state.waiting?.reason == "CrashLoopBackOff"
                }
                try await eventually("goes on") { adapter.status("web")?.containerStatuses[0].restartCount ?? 0 >= 3 }
                #expect(adapter.status("web")?.containerStatuses[0].lastState.terminated?.exitCode == 1)
                try await eventually("cleaned up") { node.runtime.runs("web").count <= 3 }
                node.runtime.edit { $0.exits = [:] }
                try await eventually("runs") { adapter.isReady("web") }
            }
        }
    }

    @Test("an unknown image is said, tried again and used as soon as it is there")
    func imageFailure() async throws {
        try await Node.with { node in
            try node.pod("web", image: "nowhere:1")
            try await node.running { adapter in
                func waiting() -> ContainerState.Waiting? { adapter.status("web")?.containerStatuses[0].state.waiting }
                try await eventually("ErrImagePull") { waiting()?.reason == "ErrImagePull" }
                #expect(waiting()?.message.contains("nowhere:1: not found in any registry") == true)
                try await eventually("ImagePullBackOff") { waiting()?.reason == "ImagePullBackOff" }
                #expect(adapter.phase("web") == .pending)
                node.runtime.edit { _ = $0.registry.insert("nowhere:1") }
                try await eventually("ready") { adapter.isReady("web") }
                #expect(node.runtime.runs("web").count == 1)
            }
        }
    }

    @Test("a registry that is unavailable is the image's trouble, not the runtime's: pulls back off")
    func registryUnavailable() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.registryFailure = RPCError(.unavailable, "cannot reach the registry") }
            try node.pod("web", image: "pulled:1")
            try await node.running { adapter in
                try await eventually("ImagePullBackOff") {
                    adapter.status("web")?.containerStatuses[0].state.waiting?.reason == "ImagePullBackOff"
                }
                #expect(node.runtime.calls["PullImage"] ?? 0 < 4)
                node.runtime.edit { $0.registryFailure = nil }
                try await eventually("ready") { adapter.isReady("web") }
            }
        }
    }

    @Test("pull policies: Never does not ask the registry, IfNotPresent once, Always for every start")
    func pullPolicies() async throws {
        try await Node.with { node in
            try node.pod("never", image: "pulled:1", more: "    imagePullPolicy: Never")
            try await node.running { adapter in
                try await eventually("refused") {
                    adapter.status("never")?.containerStatuses[0].state.waiting?.reason == "ErrImageNeverPull"
                }
                #expect(node.runtime.calls["PullImage"] == nil)
                try node.pod("present", image: "pulled:1")
                try await eventually("pulled") { adapter.isReady("present") }
                try await eventually("the other finds it") { adapter.isReady("never") }
                #expect(node.runtime.calls["PullImage"] == 1)
                try node.pod("always", image: "pulled:1", more: "    imagePullPolicy: Always")
                try await eventually("pulled again") { adapter.isReady("always") }
                #expect(node.runtime.calls["PullImage"] == 2)
            }
        }
    }

    @Test("a sandbox that dies is replaced, and what ran in it starts again")
    func sandboxDeath() async throws {
        try await Node.with { node in
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let address = adapter.status("web")?.podIP
                node.runtime.killSandboxes()
                try await eventually("again") { adapter.isReady("web") && adapter.status("web")?.podIP != address }
                #expect(node.runtime.running("web")?.status.metadata?.attempt == 1)
                let attempts = node.runtime.edit { $0.sandboxes.values.compactMap(\.config.metadata?.attempt).max() }
                #expect(attempts == 1)
            }
        }
    }

    @Test("a container that cannot be started says why and is tried again with the next number")
    func startFailure() async throws {
        try await Node.with { node in
            node.runtime.edit { _ = $0.unstartable.insert("busybox:1") }
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("said") {
                    adapter.status("web")?.containerStatuses[0].state.waiting?.reason == "RunContainerError"
                }
                node.runtime.edit { $0.unstartable = [] }
                try await eventually("ready") { adapter.isReady("web") }
                #expect(node.runtime.running("web")?.status.metadata?.attempt ?? 0 > 0)
            }
        }
    }

    @Test("a sandbox that cannot be made keeps the pod waiting with the runtime's words")
    func sandboxFailure() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.sandboxFailure = "no address left" }
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("said") {
                    adapter.status("web")?.containerStatuses[0].state.waiting?.message.contains("no address left")
                        == true
                }
                #expect(adapter.status("web")?.containerStatuses[0].state.waiting?.reason == "ContainerCreating")
                node.runtime.edit { $0.sandboxFailure = nil }
                try await eventually("ready") { adapter.isReady("web") }
            }
        }
    }

    @Test("what standalone mode cannot give a container is said in its status")
    func configError() async throws {
        try await Node.with { node in
            try node.pod(
                "web",
                more: ["    env:", "    - {name: A, valueFrom: {configMapKeyRef: {name: m, key: k}}}"].joined(
                    separator: "\n"))
            try await node.running { adapter in
                try await eventually("said") {
                    adapter.status("web")?.containerStatuses[0].state.waiting?.reason == "CreateContainerConfigError"
                }
                #expect(node.runtime.runs("web").isEmpty)
            }
        }
    }

    @Test("a pod is ended when its deadline has come, and stays failed")
    func deadline() async throws {
        try await Node.with { node in
            try node.pod("web", more: "  activeDeadlineSeconds: 1")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                try await eventually("failed") { adapter.phase("web") == .failed }
                #expect(adapter.status("web")?.reason == "DeadlineExceeded")
                try await eventually("stopped") { node.runtime.running("web") == nil }
            }
        }
    }

    @Test("a runtime without events is listed instead")
    func polling() async throws {
        try await Node.with { node in
            node.runtime.edit { $0.hasEvents = false }
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                node.runtime.exit("web", 1)
                try await eventually("restarted") { adapter.status("web")?.containerStatuses[0].restartCount == 1 }
                #expect(node.logged("has no events").count == 1)
            }
        }
    }
}
