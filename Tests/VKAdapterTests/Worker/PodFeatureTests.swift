import Foundation
import KubeAPI
import Proto
import RPC
import Support
import Testing

@testable import VKAdapter

/// What a kubelet does for pods beside running them.
@Suite(.timeLimit(.minutes(2))) struct PodFeatureTests {
    typealias Managed = ManagedPods

    @Test("a pod that does not fit fails in the kubelet's words and never runs; another one does")
    func rejection() async throws {
        try await Managed.with {
            $0.admission = Admission(nodeName: "n", os: "linux", allocatable: ["cpu": "2", "pods": "10"])
        } _: { here in
            let large = Managed.pod("large") { $0.spec.containers[0].resources.requests = ["cpu": "3"] }
            here.want(large, Managed.pod("small"))
            try await eventually("ready") { here.isReady("small") }
            let status = try #require(here.status("large"))
            #expect(status.phase == .failed && status.reason == "OutOfcpu")
            #expect(
                status.message == "Pod was rejected: Node didn't have enough resource: cpu, requested: 3000, used: 0, "
                    + "capacity: 2000")
            #expect(here.runtime.calls["RunPodSandbox"] == 1)
            #expect(here.events.all.filter { $0.hasPrefix("large OutOfcpu: ") }.count == 1)
            here.want(Managed.pod("small"))
            try await eventually("gone") { here.store.pod(uid: "large-uid") == nil }
        }
    }

    @Test("who came first is admitted first, and what ran before is not asked again")
    func order() async throws {
        try await Managed.with {
            $0.admission = Admission(nodeName: "n", os: "linux", allocatable: ["pods": "1"])
        } _: { here in
            let first = Managed.pod("z") { $0.metadata.creationTimestamp = Timestamp(seconds: 1) }
            let second = Managed.pod("a") { $0.metadata.creationTimestamp = Timestamp(seconds: 2) }
            here.want(first, second)
            try await eventually("ready") { here.isReady("z") }
            #expect(here.status("a")?.reason == "OutOfpods")
            // Done pods give their place back.
            here.want(first)
            let known = Managed.pod("old") { $0.status.startTime = Timestamp(seconds: 1) }
            here.want(first, known)
            try await eventually("both run") { here.isReady("old") && here.isReady("z") }
        }
    }

    @Test("pods with machines get their places in the order they came: all of a pod's, or none")
    func slots() async throws {
        try await Managed.with { here in
            here.runtime.edit {
                $0.images = ["vm:1", "busybox:1"]
                $0.machines = ["vm:1"]
                $0.slots = 2
            }
            func machines(_ name: String, _ count: Int) -> Pod {
                Managed.pod(name) { pod in
                    pod.spec.containers = (0..<count).map { number in
                        Sample.container("\(name)\(number)") { $0.image = "vm:1" }
                    }
                    pod.spec.terminationGracePeriodSeconds = 1
                }
            }
            let (one, two, three, plain) = (
                machines("one", 1), machines("two", 2), machines("three", 1), Managed.pod("plain")
            )
            here.want(one)
            try await eventually("one is ready") { here.isReady("one") }
            here.want(one, two)
            try await eventually("two waits") {
                here.status("two")?.condition(.readyToStartContainers)?.reason == "WaitingForVMSlot"
            }
            // One place is free, but it is not its turn.
            here.want(one, two, three, plain)
            try await eventually("plain is ready") { here.isReady("plain") }
            try await eventually("three waits") {
                here.status("three")?.condition(.readyToStartContainers)?.message
                    == "the pod waits for a place for a virtual machine; 1 pod is before it"
            }
            let condition = try #require(here.status("two")?.condition(.readyToStartContainers))
            #expect(condition.reason == "WaitingForVMSlot" && condition.status == "False")
            #expect(condition.message.contains("1 of 2 places are taken"))
            #expect(here.events.all.filter { $0.hasPrefix("two WaitingForVMSlot") }.count == 1)
            here.want(two, three, plain)
            try await eventually("two is ready") { here.isReady("two") }
            #expect(!here.isReady("three"))
            #expect(here.status("two")?.condition(.readyToStartContainers)?.reason == "")
            here.want(three, plain)
            try await eventually("three is ready") { here.isReady("three") }
        }
    }

    @Test("a pod that goes while it waits for a place lets the next one through")
    func leavingTheQueue() async throws {
        try await Managed.with { here in
            here.runtime.edit {
                $0.images = ["vm:1"]
                $0.machines = ["vm:1"]
                $0.slots = 1
            }
            func machine(_ name: String, _ count: Int = 1) -> Pod {
                Managed.pod(name) { pod in
                    pod.spec.containers = (0..<count).map { number in
                        Sample.container("\(name)\(number)") { $0.image = "vm:1" }
                    }
                }
            }
            here.want(machine("greedy", 5), machine("modest"))
            try await eventually("greedy waits") {
                here.status("greedy")?.condition(.readyToStartContainers)?.reason == "WaitingForVMSlot"
            }
            here.want(machine("modest"))
            try await eventually("modest is ready") { here.isReady("modest") }
        }
    }

    @Test("a pod that waits for a volume takes no place of a machine, and says again and again what is missing")
    func missingVolume() async throws {
        try await withTemporaryDirectory { directory in
            try await Managed.with { here in
                here.runtime.edit {
                    $0.images = ["vm:1"]
                    $0.machines = ["vm:1"]
                    $0.slots = 1
                }
                let path = directory + "/later"
                let waiting = Managed.pod("waiting") { pod in
                    pod.spec.volumes = [
                        Volume {
                            $0.name = "data"
                            $0.hostPath = HostPathVolume {
                                $0.path = path
                                $0.type = "Directory"
                            }
                        }
                    ]
                    pod.spec.containers[0].image = "vm:1"
                    pod.spec.containers[0].volumeMounts = [
                        VolumeMount {
                            $0.name = "data"
                            $0.mountPath = "/data"
                        }
                    ]
                }
                let other = Managed.pod("other") { $0.spec.containers[0].image = "vm:1" }
                here.want(waiting)
                let text = "waiting FailedMount: MountVolume.SetUp failed for volume \"data\" : "
                try await eventually("said more than once") {
                    here.events.all.filter { $0.hasPrefix(text) }.count > 2
                }
                #expect(here.runtime.calls["RunPodSandbox"] == nil)
                #expect(!here.events.all.contains { $0.contains("FailedCreatePodSandBox") })
                let wait = here.status("waiting")?.containerStatuses.first?.state.waiting
                #expect(wait?.reason == "ContainerCreating")
                here.want(waiting, other)
                try await eventually("the other has the place") { here.isReady("other") }
                here.want(waiting)
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                try await eventually("and then this one") { here.isReady("waiting") }
            }
        }
    }

    @Test("other resources reach a running container without a restart, and the status follows")
    func resize() async throws {
        try await Managed.with { here in
            func pod(_ cpu: Quantity) -> Pod {
                Managed.pod("web") { $0.spec.containers[0].resources.requests = ["cpu": cpu] }
            }
            here.want(pod("100m"))
            try await eventually("ready") { here.isReady("web") }
            let run = here.runtime.running("web")?.status.id
            here.want(pod("200m"))
            try await eventually("resized") { here.runtime.edit { !$0.resources.isEmpty } }
            #expect(here.runtime.edit { $0.resources.map(\.resources.cpuShares) } == [204])
            try await eventually("told") {
                here.status("web")?.containerStatuses[0].resources?.requests["cpu"] == "200m"
            }
            #expect(here.status("web")?.containerStatuses[0].allocatedResources == ["cpu": "200m"])
            #expect(here.status("web")?.condition(.resizeInProgress) == nil)
            #expect(here.runtime.running("web")?.status.id == run)
        }
    }

    @Test("a resize the node has no room for, or the runtime no way, is told and changes nothing")
    func impossibleResize() async throws {
        try await Managed.with {
            $0.admission = Admission(nodeName: "n", os: "linux", allocatable: ["cpu": "2"])
        } _: { here in
            func pod(_ name: String, _ cpu: Quantity) -> Pod {
                Managed.pod(name) { $0.spec.containers[0].resources.requests = ["cpu": cpu] }
            }
            func pending() -> String? { here.status("web")?.condition(.resizePending)?.reason }
            here.want(pod("web", "500m"), pod("other", "1"))
            try await eventually("ready") { here.isReady("web") && here.isReady("other") }
            here.want(pod("web", "3"), pod("other", "1"))
            try await eventually("infeasible") { pending() == "Infeasible" }
            here.want(pod("web", "1500m"), pod("other", "1"))
            try await eventually("deferred") { pending() == "Deferred" }
            #expect(here.runtime.edit { $0.resources.isEmpty })
            #expect(here.status("web")?.containerStatuses[0].allocatedResources == ["cpu": "500m"])
            // The other one goes: there is room.
            here.want(pod("web", "1500m"))
            try await eventually("other is gone") { here.store.pod(uid: "other-uid") == nil }
            here.manager.tell(.changed("web-uid"))
            try await eventually("resized") { here.runtime.edit { !$0.resources.isEmpty } && pending() == nil }
            here.runtime.edit { $0.resizeFailure = RPCError(.unimplemented, "no") }
            here.want(pod("web", "600m"))
            try await eventually("the runtime cannot") { pending() == "Infeasible" }
            #expect(here.status("web")?.containerStatuses[0].resources?.requests["cpu"] == "1500m")
            #expect(here.isReady("web"))
        }
    }

    @Test("a resource whose change takes a restart restarts its container with it")
    func resizeByRestart() async throws {
        try await Managed.with { here in
            func pod(_ memory: Quantity) -> Pod {
                Managed.pod("web") {
                    $0.spec.containers[0].resources.limits = ["memory": memory]
                    $0.spec.containers[0].resizePolicy = [
                        ContainerResizePolicy {
                            $0.resourceName = "memory"
                            $0.restartPolicy = "RestartContainer"
                        }
                    ]
                }
            }
            here.want(pod("64Mi"))
            try await eventually("ready") { here.isReady("web") }
            here.want(pod("128Mi"))
            try await eventually("restarted") {
                here.isReady("web") && here.status("web")?.containerStatuses[0].restartCount == 1
            }
            #expect(here.runtime.running("web")?.config.linux?.resources?.memoryLimitInBytes == 128 << 20)
            #expect(here.events.all.contains("web/web Killing: Container web resize requires restart"))
        }
    }

    @Test("an ephemeral container is added to a pod that runs, sees its target's processes, and is never started again")
    func ephemeral() async throws {
        try await Managed.with { here in
            here.want(Managed.pod("web"))
            try await eventually("ready") { here.isReady("web") }
            let target = here.runtime.running("web")?.status.id
            let debugged = Managed.pod("web") {
                $0.spec.ephemeralContainers = [Sample.container("debug") { $0.targetContainerName = "web" }]
            }
            here.want(debugged)
            try await eventually("debug runs") {
                here.status("web")?.ephemeralContainerStatuses.first?.state.running != nil
            }
            let options = here.runtime.running("debug")?.config.linux?.securityContext?.namespaceOptions
            #expect(options?.pid == .target && options?.targetId == target)
            here.runtime.exit("debug", 1)
            try await eventually("debug has ended") {
                here.status("web")?.ephemeralContainerStatuses.first?.state.terminated?.exitCode == 1
            }
            #expect(here.isReady("web") && here.runtime.runs("debug").count == 1)
        }
    }

    @Test("a container's own rules and policy go before the pod's")
    func restartRules() async throws {
        try await Managed.with { here in
            let pod = Managed.pod("job") { pod in
                pod.spec.restartPolicy = .never
                pod.spec.containers[0].restartPolicy = .never
                pod.spec.containers[0].restartPolicyRules = [
                    ContainerRestartRule {
                        $0.action = "Restart"
                        $0.exitCodes = ContainerRestartRule.ExitCodes {
                            $0.operator = "In"
                            $0.values = [42]
                        }
                    }
                ]
            }
            here.want(pod)
            try await eventually("ready") { here.isReady("job") }
            here.runtime.exit("job", 42)
            try await eventually("restarted") {
                here.isReady("job") && here.status("job")?.containerStatuses[0].restartCount == 1
            }
            here.runtime.exit("job", 1)
            try await eventually("failed") { here.status("job")?.phase == .failed }
            #expect(here.runtime.runs("job").count == 2)
        }
    }
}
