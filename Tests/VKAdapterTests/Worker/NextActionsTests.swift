import KubeAPI
import Proto
import Testing

@testable import VKAdapter

/// A pod's runtime side in a few words: `c:running`, `c#1:exited(3)@old`.
struct Scene {
    var pod: Pod
    var sandboxes: [CRI.PodSandboxStatus] = []
    var runs: [ObservedContainer] = []
    var backoff = BackOffs()
    var now = Runtime.timestamp(1000)
    var busy: Set<Action.Subject> = []

    init(
        _ policy: RestartPolicy = .always, initContainers: [String] = [], sidecars: [String] = [],
        _ names: [String] = ["c"]
    ) {
        pod = Sample.pod {
            $0.spec.restartPolicy = policy
            $0.spec.initContainers =
                sidecars.map { name in Sample.container(name) { $0.restartPolicy = .always } }
                + initContainers.map { Sample.container($0) }
            $0.spec.containers = names.map { Sample.container($0) }
        }
    }

    @discardableResult mutating func sandbox(_ id: String = "s", ready: Bool = true, attempt: UInt32 = 0) -> Scene {
        var sandbox = Runtime.sandbox(ready: ready)
        sandbox.id = id
        sandbox.metadata = CRI.PodSandboxMetadata { $0.attempt = attempt }
        sandboxes.append(sandbox)
        return self
    }

    mutating func run(
        _ name: String, _ state: CRI.ContainerState, attempt: UInt32 = 0, exit: Int32 = 0, in sandbox: String = "s",
        hash: String? = nil
    ) {
        var status = Runtime.container(name, state, attempt: attempt, exit: exit)
        let container = (pod.spec.initContainers + pod.spec.containers).first { $0.name == name }
        status.annotations[KubeletAnnotation.containerHash] = hash ?? container.map(PodMapping.hash)
        runs.append(ObservedContainer(sandboxID: sandbox, status: status))
    }

    var observed: ObservedPod { ObservedPod(sandboxes: sandboxes, containers: runs) }
    func next(isEnded: Bool = false) -> [Action] {
        nextActions(spec: pod, observed: observed, backoff: backoff, now: now, busy: busy, isEnded: isEnded)
    }
    func removal() -> [Action] {
        removalActions(spec: pod, observed: observed, backoff: backoff, now: now, busy: busy)
    }
}

@Suite struct NextActionsTests {
    func start(_ name: String, _ attempt: UInt32 = 0, _ sandbox: String = "s") -> Action {
        .startContainer(name: name, attempt: attempt, sandbox: sandbox)
    }

    @Test("a new pod gets a sandbox, then all its containers at once, then rests")
    func creation() {
        var scene = Scene(.always, ["a", "b"])
        #expect(scene.next() == [.createSandbox(attempt: 0, replacing: nil)])
        scene.sandbox()
        #expect(scene.next() == [start("a"), start("b")])
        scene.run("a", .containerRunning)
        #expect(scene.next() == [start("b")])
        scene.run("b", .containerRunning)
        #expect(scene.next() == [])
    }

    @Test("init containers run one after the other, each to its end")
    func initContainers() {
        var scene = Scene(initContainers: ["one", "two"], ["a", "b"])
        scene.sandbox()
        #expect(scene.next() == [start("one")])
        scene.run("one", .containerRunning)
        #expect(scene.next() == [])
        scene.runs[0].status.state = .containerExited
        #expect(scene.next() == [start("two")])
        scene.run("two", .containerExited)
        #expect(scene.next() == [start("a"), start("b")])
        scene.run("a", .containerRunning)
        scene.run("b", .containerRunning)
        // Init containers that are cleaned up do not run again.
        scene.runs.removeFirst(2)
        #expect(scene.next() == [])
    }

    @Test("a failed init container is repeated, or ends the pod", arguments: ["Always", "OnFailure", "Never"])
    func failedInit(policy: String) {
        var scene = Scene(RestartPolicy(rawValue: policy), initContainers: ["one"])
        scene.sandbox()
        scene.run("one", .containerExited, exit: 1)
        #expect(scene.next() == (policy == "Never" ? [.stopSandbox(id: "s")] : [start("one", 1)]))
    }

    @Test("side-cars run before what stands behind them, are kept running, and end last")
    func sidecars() {
        var scene = Scene(.never, initContainers: ["init"], sidecars: ["side", "car"])
        scene.sandbox()
        #expect(scene.next() == [start("side")])
        scene.run("side", .containerRunning)
        #expect(scene.next() == [start("car")])
        scene.run("car", .containerRunning)
        #expect(scene.next() == [start("init")])
        scene.run("init", .containerExited)
        #expect(scene.next() == [start("c")])
        scene.run("c", .containerRunning)
        #expect(scene.next() == [])
        scene.runs[0].status.state = .containerExited
        #expect(scene.next() == [start("side", 1)])
        scene.run("side", .containerRunning, attempt: 1)
        scene.runs[3].status.state = .containerExited
        #expect(Set(stopped(scene.next())) == ["car-0", "side-1"], "in their order, which their stops keep")
        scene.runs[1].status.state = .containerExited
        #expect(stopped(scene.next()) == ["side-1"])
        scene.runs[4].status.state = .containerExited
        #expect(scene.next() == [.stopSandbox(id: "s")])
        scene.sandboxes[0].state = .sandboxNotready
        #expect(scene.next() == [])
    }

    func stopped(_ actions: [Action]) -> [String] {
        actions.compactMap { if case .stopContainer(let id, _, _, _) = $0 { id } else { nil } }
    }

    @Test(
        "a container that ended is started again as the policy says",
        arguments: [
            ("Always", 0, true), ("Always", 1, true), ("OnFailure", 0, false), ("OnFailure", 1, true),
            ("Never", 0, false), ("Never", 1, false),
        ] as [(String, Int32, Bool)])
    func policies(policy: String, exit: Int32, isRestarted: Bool) {
        var scene = Scene(RestartPolicy(rawValue: policy), ["a", "b"])
        scene.sandbox()
        scene.run("a", .containerExited, exit: exit)
        scene.run("b", .containerRunning)
        #expect(scene.next() == (isRestarted ? [start("a", 1)] : []))
        // With the last container the pod ends.
        scene.runs[1].status.state = .containerExited
        if policy == "Always" {
            #expect(scene.next() == [start("a", 1), start("b", 1)])
        } else {
            #expect(scene.next() == (isRestarted ? [start("a", 1)] : [.stopSandbox(id: "s")]))
        }
    }

    @Test("a container that keeps failing waits, with the reason and the time")
    func crashLoop() {
        var scene = Scene()
        scene.sandbox()
        scene.run("c", .containerExited, attempt: 3, exit: 1)
        scene.now = scene.runs[0].ended.advanced(by: .seconds(5))
        let until = scene.runs[0].ended.advanced(by: .seconds(40))
        #expect(
            scene.next() == [
                .wait(name: "c", reason: .crashLoopBackOff(.seconds(40), container: "c", pod: scene.pod), until: until)
            ])
        scene.now = until
        #expect(scene.next() == [start("c", 4)])
    }

    @Test("a sandbox that died is replaced; what ran in it starts again with the next number")
    func sandboxDeath() {
        var scene = Scene(initContainers: ["init"], ["a", "b"])
        scene.sandbox(ready: false)
        scene.run("init", .containerExited)
        scene.run("a", .containerExited, attempt: 2, exit: 137)
        scene.run("b", .containerExited)
        #expect(scene.next() == [.createSandbox(attempt: 1, replacing: "s")])
        scene.sandbox("t", attempt: 1)
        #expect(scene.next() == [start("init", 1, "t")])
        scene.run("init", .containerExited, attempt: 1, in: "t")
        #expect(scene.next() == [start("a", 3, "t"), start("b", 1, "t")])
    }

    @Test("a pod that is done gets no new sandbox", arguments: ["OnFailure", "Never"])
    func doneWithoutSandbox(policy: String) {
        var scene = Scene(RestartPolicy(rawValue: policy), ["a", "b"])
        scene.sandbox(ready: false)
        scene.run("a", .containerExited)
        #expect(scene.next() == (policy == "Never" ? [] : [.createSandbox(attempt: 1, replacing: "s")]))
        scene.run("b", .containerExited)
        #expect(scene.next() == [])
        scene.runs[1].status.exitCode = 1
        #expect(scene.next() == (policy == "Never" ? [] : [.createSandbox(attempt: 1, replacing: "s")]))
        if policy == "OnFailure" {
            scene.sandbox("t", attempt: 1)
            #expect(scene.next() == [start("b", 1, "t")])
        }
    }

    @Test("a container the adapter had only made is started, not made again; one that cannot start is")
    func created() {
        var scene = Scene()
        scene.sandbox()
        scene.run("c", .containerCreated)
        #expect(scene.next() == [.startCreated(id: "c-0", name: "c")])
        scene.backoff.couldNotStart(id: "c-0")
        scene.backoff.failed(.container("c"), .runContainerError("no such file"), now: scene.now)
        #expect(
            scene.next() == [
                .wait(
                    name: "c", reason: .runContainerError("no such file"), until: scene.now.advanced(by: .seconds(10)))
            ])
        scene.now = scene.now.advanced(by: .seconds(10))
        #expect(scene.next() == [start("c", 1)])
        scene.pod.spec.restartPolicy = .never
        #expect(scene.next() == [.stopSandbox(id: "s")])
    }

    @Test("a container whose image changed is stopped and started again, whatever the policy")
    func changed() {
        var scene = Scene(.never, ["a", "b"])
        scene.sandbox()
        scene.run("a", .containerRunning, hash: "other")
        scene.run("b", .containerRunning)
        #expect(stopped(scene.next()) == ["a-0"])
        scene.runs[0].status.state = .containerExited
        #expect(scene.next() == [start("a", 1)])
    }

    @Test("a container of unknown state is ended before it is started again")
    func unknown() {
        var scene = Scene()
        scene.sandbox()
        scene.run("c", .containerUnknown)
        #expect(stopped(scene.next()) == ["c-0"])
    }

    @Test("old sandboxes and all but two runs of a container are cleaned up")
    func leftovers() {
        var scene = Scene()
        scene.sandbox("old", ready: true)
        scene.sandbox("older", ready: false)
        scene.sandbox("s", attempt: 2)
        for attempt in 0..<4 as Range<UInt32> { scene.run("c", .containerExited, attempt: attempt) }
        scene.run("c", .containerRunning, attempt: 4)
        #expect(
            Set(scene.next()) == [
                .stopSandbox(id: "old"), .removeSandbox(id: "older"), .removeContainer(id: "c-0", name: "c"),
                .removeContainer(id: "c-1", name: "c"), .removeContainer(id: "c-2", name: "c"),
            ])
    }

    @Test("what a step works on is left alone until it ends, and what failed waits")
    func busy() {
        var scene = Scene(.always, ["a", "b"])
        scene.busy = [.sandbox]
        #expect(scene.next() == [])
        scene.sandbox()
        scene.busy = [.container("a")]
        #expect(scene.next() == [start("b")])
        scene.busy = []
        scene.backoff.failed(.run("x"), WaitingReason("ContainerCreating", "no"), now: scene.now)
        scene.run("x", .containerExited)
        for attempt in 1...2 as ClosedRange<UInt32> { scene.run("x", .containerExited, attempt: attempt) }
        scene.runs[0].status.id = "x"
        #expect(scene.next().contains { if case .wait("x", _, _) = $0 { true } else { false } })
    }

    @Test("a pod past its deadline is stopped and not started again")
    func ended() {
        var scene = Scene()
        scene.sandbox()
        scene.run("c", .containerRunning)
        #expect(stopped(scene.next(isEnded: true)) == ["c-0"])
        scene.runs[0].status.state = .containerExited
        #expect(scene.next(isEnded: true) == [.stopSandbox(id: "s")])
        scene.sandboxes[0].state = .sandboxNotready
        #expect(scene.next(isEnded: true) == [])
    }

    @Test("removal stops containers together with their grace, then side-cars, then removes all there is")
    func removal() {
        var scene = Scene(sidecars: ["side"], ["a", "b"])
        scene.pod.metadata.deletionGracePeriodSeconds = 7
        scene.sandbox("s")
        scene.run("side", .containerRunning)
        scene.run("a", .containerRunning)
        scene.run("b", .containerRunning)
        #expect(
            Set(scene.removal())
                == Set(
                    ["a", "b", "side"].map {
                        .stopContainer(id: "\($0)-0", name: $0, grace: 7, why: "Stopping container \($0)")
                    }))
        scene.runs[1].status.state = .containerExited
        scene.runs[2].status.state = .containerExited
        #expect(stopped(scene.removal()) == ["side-0"])
        scene.runs[0].status.state = .containerExited
        #expect(scene.removal() == [.stopSandbox(id: "s")])
        scene.sandboxes[0].state = .sandboxNotready
        #expect(scene.removal().count == 3)
        scene.runs = []
        #expect(scene.removal() == [.removeSandbox(id: "s")])
        scene.sandboxes = []
        #expect(scene.removal() == [.removeData])
    }
}
