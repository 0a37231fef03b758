import KubeAPI
import Proto
import Testing

@testable import VKAdapter

/// Builds what a runtime reports, in seconds since a fixed start.
enum Runtime {
    static let start: Int64 = 1_700_000_000_000_000_000
    static func time(_ seconds: Int64) -> Int64 { start + seconds * 1_000_000_000 }
    static func timestamp(_ seconds: Int64) -> Timestamp { Timestamp(nanosecondsSince1970: time(seconds)) }

    static func sandbox(ready: Bool = true, ip: String = "10.0.0.9") -> CRI.PodSandboxStatus {
        CRI.PodSandboxStatus {
            $0.id = "sandbox"
            $0.state = ready ? .sandboxReady : .sandboxNotready
            $0.createdAt = time(1)
            $0.network = CRI.PodSandboxNetworkStatus {
                $0.ip = ip
                $0.additionalIps = ip.isEmpty ? [] : [CRI.PodIP { $0.ip = "fd00::9" }]
            }
        }
    }

    static func container(_ name: String, _ state: CRI.ContainerState, attempt: UInt32 = 0, exit: Int32 = 0)
        -> CRI.ContainerStatus
    {
        CRI.ContainerStatus {
            $0.id = "\(name)-\(attempt)"
            $0.metadata = CRI.ContainerMetadata {
                $0.name = name
                $0.attempt = attempt
            }
            $0.labels = [KubeletLabel.containerName: name]
            $0.annotations = [KubeletAnnotation.restartCount: String(attempt)]
            $0.state = state
            $0.createdAt = time(Int64(attempt) * 10 + 2)
            if state != .containerCreated { $0.startedAt = time(Int64(attempt) * 10 + 3) }
            if state == .containerExited {
                $0.finishedAt = time(Int64(attempt) * 10 + 4)
                $0.exitCode = exit
            }
            $0.image = CRI.ImageSpec { $0.image = "busybox:1" }
            $0.imageRef = "sha256:abc"
        }
    }
}

@Suite struct StatusTests {
    func input(
        _ policy: RestartPolicy = .always, initContainers: [String] = [], _ configure: (inout StatusInput) -> Void
    )
        -> StatusInput
    {
        let pod = Sample.pod {
            $0.spec.restartPolicy = policy
            $0.spec.initContainers = initContainers.map { Sample.container($0) }
        }
        var input = StatusInput(pod: pod, now: Runtime.timestamp(100))
        input.hostIPs = ["192.0.2.1"]
        input.runtimeName = "vz-cri"
        configure(&input)
        return input
    }

    func truth(_ status: PodStatus) -> String {
        status.conditions.map { $0.status == "True" ? "T" : "F" }.joined()
    }

    @Test("a pod nobody has started is Pending with five conditions and its containers creating")
    func fresh() {
        let status = input { _ in }.status()
        #expect(status.phase == .pending)
        #expect(
            status.conditions.map(\.type.rawValue) == [
                "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
            ])
        #expect(truth(status) == "FTFFT")
        #expect(status.condition(.ready)?.reason == "ContainersNotReady")
        #expect(status.condition(.ready)?.message == "containers with unready status: [c]")
        #expect(status.containerStatuses.map(\.state) == [.waiting(reason: "ContainerCreating")])
        #expect(status.containerStatuses[0].image == "busybox:1" && status.containerStatuses[0].started == false)
        #expect(status.startTime == Runtime.timestamp(100))
        #expect(status.hostIP == "192.0.2.1" && status.podIP == "" && status.qosClass == "BestEffort")
    }

    @Test("a running pod is Ready, with the addresses of its sandbox")
    func running() {
        let status = input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerRunning)]
        }.status()
        #expect(status.phase == .running)
        #expect(truth(status) == "TTTTT")
        #expect(status.podIP == "10.0.0.9" && status.podIPs.map(\.ip) == ["10.0.0.9", "fd00::9"])
        let container = status.containerStatuses[0]
        #expect(container.ready && container.started == true && container.restartCount == 0)
        #expect(container.containerID == "vz-cri://c-0" && container.imageID == "sha256:abc")
        #expect(container.state.running?.startedAt == Runtime.timestamp(3))
        #expect(status.startTime == Runtime.timestamp(1))
    }

    @Test(
        "one container's end decides the phase by the restart policy",
        arguments: [
            (.always, 0, .running, "Completed"), (.always, 1, .running, "Error"),
            (.onFailure, 0, .succeeded, "Completed"),
            (.onFailure, 1, .running, "Error"), (.never, 0, .succeeded, "Completed"), (.never, 1, .failed, "Error"),
        ] as [(RestartPolicy, Int32, PodPhase, String)])
    func ended(policy: RestartPolicy, exit: Int32, phase: PodPhase, reason: String) {
        let status = input(policy) {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerExited, exit: exit)]
        }.status()
        #expect(status.phase == phase)
        let end = status.containerStatuses[0].state.terminated
        #expect(end?.exitCode == exit && end?.reason == reason && end?.containerID == "vz-cri://c-0")
        #expect(end?.startedAt == Runtime.timestamp(3) && end?.finishedAt == Runtime.timestamp(4))
        let expected = [PodPhase.succeeded: "PodCompleted", .failed: "PodFailed"][phase] ?? "ContainersNotReady"
        #expect(status.condition(.ready)?.reason == expected)
        #expect(status.condition(.containersReady)?.status == "False")
        #expect(status.condition(.initialized)?.reason == (phase == .succeeded ? "PodCompleted" : ""))
    }

    @Test("a crash loop waits, remembers its last end and keeps the pod Running")
    func crashLoop() {
        let input = input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [
                Runtime.container("c", .containerExited, attempt: 1, exit: 3),
                Runtime.container("c", .containerExited, attempt: 0, exit: 2),
            ]
            $0.waiting = ["c": .crashLoopBackOff(.seconds(20), container: "c", pod: $0.pod)]
        }
        let status = input.status()
        #expect(status.phase == .running)
        let container = status.containerStatuses[0]
        #expect(container.state.waiting?.reason == "CrashLoopBackOff")
        #expect(
            container.state.waiting?.message == "back-off 20s restarting failed container=c pod=web_default(1234-uid)")
        #expect(container.lastState.terminated?.exitCode == 3 && container.restartCount == 1 && !container.ready)
    }

    @Test("a restarted container shows how it ended before")
    func restarted() {
        let status = input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [
                Runtime.container("c", .containerExited, attempt: 0, exit: 2),
                Runtime.container("c", .containerRunning, attempt: 1),
            ]
            $0.waiting = ["c": .errImagePull("stale")]
        }.status()
        let container = status.containerStatuses[0]
        #expect(container.state.running != nil && container.restartCount == 1)
        #expect(container.lastState.terminated?.exitCode == 2)
    }

    @Test("history outlives the removed containers of the runtime")
    func history() {
        var before = input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [
                Runtime.container("c", .containerExited, attempt: 4, exit: 2),
                Runtime.container("c", .containerRunning, attempt: 5),
            ]
        }
        let old = before.status()
        before.previous = old
        before.containers.removeFirst()
        #expect(before.status().containerStatuses == old.containerStatuses)
        before.containers = []
        before.waiting = ["c": .containerCreating]
        let status = before.status().containerStatuses[0]
        #expect(status.restartCount == 5 && status.lastState.terminated?.exitCode == 2)
    }

    @Test(
        "image and configuration failures are shown as the kubelet words them",
        arguments: [
            (.errImagePull("no such host"), "ErrImagePull", "no such host"),
            (
                .imagePullBackOff(image: "x:1", cause: "gone"), "ImagePullBackOff",
                "Back-off pulling image \"x:1\": ErrImagePull: gone"
            ),
            (
                .errImageNeverPull(image: "x:1"), "ErrImageNeverPull",
                "Container image \"x:1\" is not present with pull policy of Never"
            ),
            (.createContainerConfigError("bad"), "CreateContainerConfigError", "bad"),
            (.createContainerError("bad"), "CreateContainerError", "bad"),
            (.runContainerError("bad"), "RunContainerError", "bad"),
        ] as [(WaitingReason, String, String)])
    func failures(waiting: WaitingReason, reason: String, message: String) {
        let status = input(.never) {
            $0.sandbox = Runtime.sandbox()
            $0.waiting = ["c": waiting]
        }.status()
        #expect(status.phase == .pending)
        #expect(status.containerStatuses[0].state == .waiting(reason: reason, message: message))
    }

    @Test("a container that will not be started again is terminated, whatever was said before")
    func finished() {
        let status = input(.never) {
            $0.containers = [Runtime.container("c", .containerExited, exit: 1)]
            $0.waiting = ["c": .errImagePull("stale")]
        }.status()
        #expect(status.phase == .failed && status.containerStatuses[0].state.terminated != nil)
    }

    @Test("a container the runtime lost counts as killed")
    func lost() {
        var input = input(.never) {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerRunning)]
        }
        input.previous = input.status()
        input.containers = [Runtime.container("c", .containerUnknown)]
        let status = input.status()
        #expect(status.containerStatuses[0].state.terminated?.exitCode == 137)
        #expect(status.containerStatuses[0].state.terminated?.reason == "ContainerStatusUnknown")
        #expect(status.phase == .failed)
    }

    @Test("the termination message of the file wins over the runtime's")
    func message() {
        var run = Runtime.container("c", .containerExited, exit: 1)
        run.message = "from the runtime"
        run.reason = "OOMKilled"
        let plain = input { $0.containers = [run] }.status().containerStatuses[0].state.terminated
        #expect(plain?.message == "from the runtime" && plain?.reason == "OOMKilled")
        let written = input {
            $0.containers = [run]
            $0.terminationMessages = ["c-0": "last words"]
        }.status().containerStatuses[0].state.terminated
        #expect(written?.message == "last words")
    }
}
