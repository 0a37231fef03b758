import KubeAPI
import Proto
import Testing

@testable import VKAdapter

@Suite struct StatusPodTests {
    let base = StatusTests()

    @Test("init containers hold the pod back and name what is open")
    func initContainers() {
        var input = base.input(initContainers: ["one", "two"]) {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [
                Runtime.container("one", .containerExited), Runtime.container("two", .containerRunning),
            ]
        }
        let status = input.status()
        #expect(status.phase == .pending)
        #expect(base.truth(status) == "TFFFT")
        #expect(status.condition(.initialized)?.reason == "ContainersNotInitialized")
        #expect(status.condition(.initialized)?.message == "containers with incomplete status: [two]")
        #expect(status.initContainerStatuses.map(\.ready) == [true, false])
        #expect(status.initContainerStatuses.map(\.started) == [false, true])
        #expect(status.containerStatuses[0].state.waiting?.reason == "PodInitializing")

        input.containers[1] = Runtime.container("two", .containerExited)
        #expect(base.truth(input.status()) == "TTFFT")
        input.containers.append(Runtime.container("c", .containerRunning))
        #expect(input.status().phase == .running)
        // An init container that is cleaned up does not put the pod back.
        input.previous = input.status()
        input.containers.removeFirst(2)
        #expect(input.status().phase == .running)
        #expect(base.truth(input.status()) == "TTTTT")
    }

    @Test(
        "a failing init container fails the pod only when nothing is restarted",
        arguments: [(.never, .failed), (.onFailure, .pending), (.always, .pending)] as [(RestartPolicy, PodPhase)])
    func failedInit(policy: RestartPolicy, phase: PodPhase) {
        let status = base.input(policy, initContainers: ["one"]) {
            $0.containers = [Runtime.container("one", .containerExited, exit: 1)]
            $0.waiting = ["one": .crashLoopBackOff(.seconds(10), container: "one", pod: $0.pod)]
        }.status()
        #expect(status.phase == phase)
        #expect((status.initContainerStatuses[0].state.waiting == nil) == (policy == .never))
    }

    @Test("side-cars count for readiness, not for the end of the pod")
    func sidecars() {
        var input = base.input(.never, initContainers: ["side"]) { $0.sandbox = Runtime.sandbox() }
        input.pod.spec.initContainers[0].restartPolicy = .always
        #expect(base.truth(input.status()) == "TFFFT")
        input.containers = [Runtime.container("side", .containerRunning), Runtime.container("c", .containerRunning)]
        #expect(base.truth(input.status()) == "TTTTT")
        input.readiness = ["side": false]
        #expect(input.status().condition(.ready)?.message == "containers with unready status: [side]")
        input.containers[1] = Runtime.container("c", .containerExited)
        #expect(input.status().phase == .succeeded)
    }

    @Test("probes decide on started and ready")
    func probes() {
        var input = base.input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerRunning)]
            $0.readiness = ["c": false]
        }
        #expect(base.truth(input.status()) == "TTFFT")
        #expect(input.status().phase == .running)
        input.readiness = ["c": true]
        input.startup = ["c": false]
        #expect(input.status().containerStatuses[0].ready == false)
        #expect(input.status().containerStatuses[0].started == false)
    }

    @Test("readiness gates wait for conditions others write, and those are kept")
    func gates() {
        var input = base.input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerRunning)]
            $0.pod.spec.readinessGates = [ReadinessGate { $0.conditionType = "example.dev/gate" }]
        }
        #expect(base.truth(input.status()) == "TTFTT")
        #expect(
            input.status().condition(.ready)?.message
                == "corresponding condition of pod readiness gate \"example.dev/gate\" does not exist.")
        input.pod.status.conditions = [
            PodCondition {
                $0.type = "example.dev/gate"
                $0.status = "True"
            }
        ]
        #expect(base.truth(input.status()) == "TTTTTT")
        // What was said before counts no more.
        input.previous = input.status()
        input.pod.status.conditions[0].status = "False"
        #expect(base.truth(input.status()) == "TTFTTF")
    }

    @Test("transition times change only with the truth")
    func transitions() {
        var input = base.input {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerRunning)]
        }
        let before = input.status()
        input.previous = before
        input.now = Runtime.timestamp(200)
        #expect(input.status() == before)
        input.containers = [Runtime.container("c", .containerExited, exit: 1)]
        let after = input.status()
        #expect(after.condition(.ready)?.lastTransitionTime == Runtime.timestamp(200))
        #expect(after.condition(.scheduled)?.lastTransitionTime == Runtime.timestamp(100))
        #expect(after.startTime == before.startTime)
    }

    @Test("a dead sandbox is not ready, and the pod keeps its last address")
    func deadSandbox() {
        var input = base.input(.never) {
            $0.sandbox = Runtime.sandbox()
            $0.containers = [Runtime.container("c", .containerRunning)]
        }
        input.previous = input.status()
        input.sandbox = Runtime.sandbox(ready: false, ip: "")
        input.containers = [Runtime.container("c", .containerExited)]
        let status = input.status()
        #expect(status.phase == .succeeded && status.podIP == "10.0.0.9")
        #expect(status.conditions[0].status == "False")
    }

    @Test("a host-network pod has the node's addresses and needs no sandbox address")
    func hostNetwork() {
        var input = base.input { $0.sandbox = Runtime.sandbox(ip: "") }
        input.pod.spec.hostNetwork = true
        #expect(input.status().podIP == "192.0.2.1")
        #expect(input.status().conditions[0].status == "True")
    }

    @Test("a pod ended as a whole is Failed with its reason")
    func deadline() {
        let status = base.input {
            $0.containers = [Runtime.container("c", .containerRunning)]
            $0.failure = WaitingReason("DeadlineExceeded", "Pod was active on the node longer than the deadline")
        }.status()
        #expect(status.phase == .failed && status.reason == "DeadlineExceeded" && !status.message.isEmpty)
    }

    @Test(
        "a pod that is being stopped ends by its exit codes",
        arguments: [(0, .succeeded), (137, .failed)] as [(Int32, PodPhase)])
    func terminating(exit: Int32, phase: PodPhase) {
        let status = base.input {
            $0.containers = [Runtime.container("c", .containerExited, exit: exit)]
            $0.waiting = ["c": .crashLoopBackOff(.seconds(10), container: "c", pod: $0.pod)]
            $0.terminating = true
        }.status()
        #expect(status.phase == phase)
        #expect(status.containerStatuses[0].state.terminated != nil)
    }

    @Test(
        "durations are written as Go writes them",
        arguments: [(10, "10s"), (80, "1m20s"), (300, "5m0s"), (3600, "1h0m0s")])
    func durations(seconds: Int, text: String) {
        #expect(WaitingReason.goText(.seconds(seconds)) == text)
    }
}
