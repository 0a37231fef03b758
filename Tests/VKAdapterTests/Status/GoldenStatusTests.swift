import KubeAPI
import Proto
import Testing

@testable import VKAdapter

/// A pod of a machine and a container beside it, in every state the two can be in: the cases that a well-known adapter for
/// machines has as golden files, with what a kubelet says of them.
@Suite struct GoldenStatusTests {
    enum Run: Sendable {
        case none, created, running, lost
        case ended(Int32, String = "")
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var policy = RestartPolicy.never
        var machine: Run
        /// nil: the pod has the machine only.
        var beside: Run?
        var ip = "10.0.0.9"
        var waiting: [String: WaitingReason] = [:]
        var readiness: [String: Bool] = [:]
        var startup: [String: Bool] = [:]
        var terminating = false
        var phase: PodPhase
        var ready: Bool
        var states: [String]

        var testDescription: String { name }
    }

    static let slot = WaitingReason.createContainerError("WaitingForVMSlot: both of this host's places are taken")
    static let creating = "waiting ContainerCreating"
    static let lost = "ended 137 ContainerStatusUnknown"

    static let cases: [Case] = [
        Case(name: "1 nothing runs yet", machine: .none, ip: "", phase: .pending, ready: false, states: [creating]),
        Case(
            name: "2 the machine's image is pulled, the container runs", machine: .none, beside: .running,
            phase: .pending, ready: false, states: [creating, "running"]),
        Case(
            name: "3 the machine starts", machine: .created, ip: "", phase: .pending, ready: false, states: [creating]),
        Case(
            name: "4 the machine starts, the container runs", machine: .created, beside: .running, phase: .pending,
            ready: false, states: [creating, "running"]),
        Case(
            name: "5 a machine without an address is not ready", machine: .running, ip: "", readiness: ["vm": false],
            phase: .running, ready: false, states: ["running"]),
        Case(name: "6 the machine runs", machine: .running, phase: .running, ready: true, states: ["running"]),
        Case(
            name: "7 a machine without an address beside a container", machine: .running, beside: .running, ip: "",
            readiness: ["vm": false], phase: .running, ready: false, states: ["running", "running"]),
        Case(
            name: "8 the container is not there yet", machine: .running, beside: Run.none, phase: .pending,
            ready: false,
            states: ["running", creating]),
        Case(
            name: "9 the container cannot be made", machine: .running, beside: Run.none,
            waiting: ["side": .createContainerError("no space")], phase: .pending, ready: false,
            states: ["running", "waiting CreateContainerError"]),
        Case(
            name: "10 the container is made and does not run", machine: .running, beside: .created, phase: .pending,
            ready: false, states: ["running", creating]),
        Case(
            name: "11 both run", machine: .running, beside: .running, phase: .running, ready: true,
            states: ["running", "running"]),
        Case(
            name: "12 a container that nobody has heard of is in the status all the same", machine: .running,
            beside: Run.none, phase: .pending, ready: false, states: ["running", creating]),
        Case(
            name: "13 a container nobody can say anything of is not ready", machine: .running, beside: .lost,
            phase: .running, ready: false, states: ["running", lost]),
        Case(
            name: "14 the container is about to be started again", policy: .always, machine: .running,
            beside: .ended(1), waiting: ["side": .crashLoopBackOff(.seconds(10), container: "side", pod: Pod())],
            phase: .running, ready: false, states: ["running", "waiting CrashLoopBackOff"]),
        Case(
            name: "15 the container had no memory left: the machine runs on", machine: .running,
            beside: .ended(137, "OOMKilled"), phase: .running, ready: false, states: ["running", "ended 137 OOMKilled"]),
        Case(
            name: "16 the container failed: the machine runs on", machine: .running, beside: .ended(2), phase: .running,
            ready: false, states: ["running", "ended 2 Error"]),
        Case(
            name: "16b the container is done: the machine runs on (C6)", machine: .running, beside: .ended(0),
            phase: .running, ready: false, states: ["running", "ended 0 Completed"]),
        Case(
            name: "17 the container is lost", machine: .running, beside: .lost, phase: .running, ready: false,
            states: ["running", lost]),
        Case(
            name: "18 a machine that is being stopped runs until it has ended", machine: .running, terminating: true,
            phase: .running, ready: true, states: ["running"]),
        Case(
            name: "18b and ends with its own code", machine: .ended(143), terminating: true, phase: .failed,
            ready: false, states: ["ended 143 Error"]),
        Case(
            name: "19 the machine is done", machine: .ended(0), phase: .succeeded, ready: false,
            states: ["ended 0 Completed"]),
        Case(
            name: "20 the machine failed", machine: .ended(1, "GuestPanicked"), phase: .failed, ready: false,
            states: ["ended 1 GuestPanicked"]),
        Case(
            name: "21 the machine's postStart hook failed, and it was stopped", machine: .ended(143), phase: .failed,
            ready: false, states: ["ended 143 Error"]),
        Case(
            name: "21b where it is started again it waits for that", policy: .always, machine: .ended(143),
            waiting: ["vm": .postStartHookError("no")], phase: .running, ready: false,
            states: ["waiting PostStartHookError"]),
        Case(name: "22 the machine is lost", machine: .lost, phase: .failed, ready: false, states: [lost]),
        Case(
            name: "23 the machine has not come up yet", machine: .running, startup: ["vm": false], phase: .running,
            ready: false, states: ["running"]),
        Case(
            name: "24 the machine has come up", machine: .running, startup: ["vm": true], phase: .running, ready: true,
            states: ["running"]),
        Case(
            name: "25 to 27 hooks of every kind hold it back", machine: .running, readiness: ["vm": true],
            startup: ["vm": false], phase: .running, ready: false, states: ["running"]),
        Case(
            name: "28 a hook of the container beside it holds the pod back as well", machine: .running,
            beside: .running, startup: ["vm": true, "side": false], phase: .running, ready: false,
            states: ["running", "running"]),
        Case(
            name: "29 a machine without a hook that nobody has reached yet", machine: .running,
            readiness: ["vm": false], phase: .running, ready: false, states: ["running"]),
        Case(
            name: "30 and that somebody has reached", machine: .running, readiness: ["vm": true], phase: .running,
            ready: true, states: ["running"]),
        Case(
            name: "31 the machine waits for a place, and that is said (C7)", machine: .none, ip: "",
            waiting: ["vm": slot], phase: .pending, ready: false, states: ["waiting CreateContainerError"]),
    ]

    private func input(_ one: Case) -> StatusInput {
        let pod = Sample.pod {
            $0.spec.restartPolicy = one.policy
            $0.spec.containers = [Sample.container("vm")] + (one.beside == nil ? [] : [Sample.container("side")])
        }
        func runs(_ name: String, _ run: Run?) -> [CRI.ContainerStatus] {
            switch run {
            case nil, .some(.none): return []
            case .created: return [Runtime.container(name, .containerCreated)]
            case .running: return [Runtime.container(name, .containerRunning)]
            case .lost: return [Runtime.container(name, .containerUnknown)]
            case .ended(let code, let reason):
                var status = Runtime.container(name, .containerExited, exit: code)
                status.reason = reason
                return [status]
            }
        }
        var before = StatusInput(pod: pod, now: Runtime.timestamp(50))
        before.containers = pod.spec.containers.map { Runtime.container($0.name, .containerRunning) }
        var input = StatusInput(pod: pod, now: Runtime.timestamp(100))
        input.sandbox = Runtime.sandbox(ip: one.ip)
        if one.ip.isEmpty { input.sandbox?.network = nil }
        input.containers = runs("vm", one.machine) + runs("side", one.beside)
        input.waiting = one.waiting
        input.readiness = one.readiness
        input.startup = one.startup
        input.terminating = one.terminating
        input.hostIPs = ["192.0.2.1"]
        input.runtimeName = "vz-cri"
        switch (one.machine, one.beside) {
        case (.lost, _), (_, .lost): input.previous = before.status()
        default: break
        }
        return input
    }

    private func text(_ state: ContainerState) -> String {
        if let waiting = state.waiting { return "waiting \(waiting.reason)" }
        if let end = state.terminated { return "ended \(end.exitCode) \(end.reason)" }
        return state.running == nil ? "nothing" : "running"
    }

    @Test("a status never says more than is so (C7)", arguments: cases)
    func truthful(_ one: Case) {
        let status = input(one).status()
        #expect(status.phase == one.phase)
        #expect(status.containerStatuses.map { text($0.state) } == one.states)
        #expect((status.condition(.ready)?.status == "True") == one.ready)
        // What holds in every case.
        #expect(["Pending", "Running", "Succeeded", "Failed"].contains(status.phase.rawValue))
        #expect(status.conditions.count == 5)
        #expect(status.condition(.ready)?.status == status.condition(.containersReady)?.status)
        if status.phase != .running { #expect(status.condition(.ready)?.status == "False") }
        #expect(status.podIP == one.ip && status.podIPs.first?.ip == (one.ip.isEmpty ? nil : one.ip))
        #expect(status.hostIPs.map(\.ip) == ["192.0.2.1"] && !status.qosClass.isEmpty)
        let ids = status.containerStatuses.map(\.containerID).filter { !$0.isEmpty }
        #expect(Set(ids).count == ids.count, "ids are the runs' own")
        for container in status.containerStatuses where !container.containerID.isEmpty {
            #expect(container.imageID == "sha256:abc")
            if container.state.running == nil { #expect(!container.ready && container.started != true) }
        }
    }
}
