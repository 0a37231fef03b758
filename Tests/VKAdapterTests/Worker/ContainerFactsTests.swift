import KubeAPI
import Proto
import Testing

@testable import VKAdapter

/// What probes, hooks and resizes make the worker do.
@Suite struct ContainerFactsTests {
    func next(_ scene: Scene, _ facts: ContainerFacts = ContainerFacts()) -> [Action] {
        nextActions(
            spec: scene.pod, observed: scene.observed, backoff: scene.backoff, now: scene.now, busy: scene.busy,
            facts: facts)
    }

    func start(_ name: String, _ attempt: UInt32 = 0) -> Action {
        .startContainer(name: name, attempt: attempt, sandbox: "s")
    }

    @Test(
        "a run that failed a probe is stopped with the probe's time, and started again unless nothing ever is",
        arguments: [RestartPolicy.always, .onFailure, .never])
    func failedProbe(policy: RestartPolicy) {
        var scene = Scene(policy)
        scene.sandbox()
        scene.run("c", .containerRunning)
        var facts = ContainerFacts()
        facts.failed = ["c-0": .init(kind: .liveness, grace: 1)]
        let text = "Container c failed liveness probe"
        let why = policy == .never ? text : "\(text), will be restarted"
        #expect(next(scene, facts) == [.stopContainer(id: "c-0", name: "c", grace: 2, why: why)])
        facts.failed = ["c-0": .init(kind: .startup, grace: nil)]
        #expect(
            next(scene, facts).first
                == .stopContainer(
                    id: "c-0", name: "c", grace: 30,
                    why: why.replacing("liveness", with: "startup")))
        // However it took the stop.
        scene.backoff.stoppedForRestart(id: "c-0")
        scene.runs[0].status.state = .containerExited
        #expect(next(scene) == (policy == .never ? [.stopSandbox(id: "s")] : [start("c", 1)]))
    }

    @Test("those behind a side-car wait until it has started, and until its hook is done")
    func startingSidecar() {
        var scene = Scene(sidecars: ["side"])
        scene.sandbox()
        scene.run("side", .containerRunning)
        var facts = ContainerFacts()
        facts.starting = ["side"]
        #expect(next(scene, facts) == [])
        scene.busy = [.container("side")]
        #expect(next(scene) == [])
        scene.busy = []
        #expect(next(scene) == [start("c")])
    }

    @Test("containers start together, but not past one whose postStart hook is not done")
    func postStart() {
        var scene = Scene(.always, ["a", "b", "c"])
        scene.pod.spec.containers[1].lifecycle = Lifecycle {
            $0.postStart = LifecycleHandler { $0.sleep = SleepAction { $0.seconds = 1 } }
        }
        scene.sandbox()
        #expect(next(scene) == [start("a"), start("b")])
        scene.busy = [.container("b")]
        scene.run("a", .containerRunning)
        scene.run("b", .containerRunning)
        #expect(next(scene) == [])
        scene.busy = []
        #expect(next(scene) == [start("c")])
        // One that cannot be started keeps nobody waiting.
        scene.runs.removeLast()
        scene.backoff.failed(.container("b"), .createContainerError("no"), now: scene.now)
        #expect(next(scene).contains(start("c")))
    }

    @Test("ephemeral containers start at once, also beside init containers, and only once")
    func ephemeral() {
        var scene = Scene(initContainers: ["init"])
        scene.pod.spec.ephemeralContainers = [Sample.container("debug")]
        scene.sandbox()
        #expect(next(scene) == [start("debug"), start("init")])
        scene.run("debug", .containerExited, exit: 1)
        #expect(next(scene) == [start("init")])
        // Also when the runtime has lost it: the cluster takes no end back.
        scene.runs.removeAll { $0.name == "debug" }
        scene.pod.status.ephemeralContainerStatuses = [
            ContainerStatus {
                $0.name = "debug"
                $0.state.terminated = .init()
            }
        ]
        #expect(next(scene) == [start("init")])
    }

    @Test("other resources are given to the run, or its container is started again with them")
    func resize() {
        var scene = Scene()
        scene.sandbox()
        scene.run("c", .containerRunning)
        var facts = ContainerFacts()
        facts.resized = ["c-0": false]
        #expect(next(scene, facts) == [.resize(id: "c-0", name: "c")])
        facts.resized = ["c-0": true]
        #expect(
            next(scene, facts)
                == [.stopContainer(id: "c-0", name: "c", grace: 30, why: "Container c resize requires restart")])
    }

    @Test(
        "rules by exit code go before the container's policy, and that before the pod's",
        arguments: [
            (nil, "Always", 0, true), (nil, "Never", 1, false), ("Never", "Always", 1, false),
            ("Always", "Never", 0, true), ("OnFailure", "Never", 0, false), ("OnFailure", "Never", 1, true),
            ("Never", "Always", 42, true), ("Never", "Always", 43, false), (nil, "Never", 42, false),
        ] as [(String?, String, Int32, Bool)])
    func rules(own: String?, pods: String, code: Int32, isRestarted: Bool) {
        let pod = Sample.pod { $0.spec.restartPolicy = RestartPolicy(rawValue: pods) }
        let container = Sample.container {
            $0.restartPolicy = own.map { RestartPolicy(rawValue: $0) }
            $0.restartPolicyRules = [
                ContainerRestartRule {
                    $0.action = "Restart"
                    $0.exitCodes = ContainerRestartRule.ExitCodes {
                        $0.operator = "In"
                        $0.values = [42]
                    }
                }
            ]
        }
        #expect(pod.restarts(container, after: code) == isRestarted)
    }

    @Test("what the API server repeats of a kubelet's own words is no news; everything else is")
    func echoes() {
        let pod = Sample.pod { $0.metadata.resourceVersion = "1" }
        func edited(_ configure: (inout Pod) -> Void) -> Bool {
            var other = pod
            other.metadata.resourceVersion = "2"
            configure(&other)
            return !other.isEcho(of: pod)
        }
        func condition(_ type: PodCondition.Kind) -> PodCondition {
            PodCondition {
                $0.type = type
                $0.status = "True"
            }
        }
        #expect(!edited { _ in })
        #expect(!edited { $0.status.phase = .running })
        #expect(!edited { $0.status.conditions = [condition(.ready)] })
        #expect(!edited { $0.metadata.unknownFields = [Member("managedFields", Value(.array([])))] })
        #expect(edited { $0.status.conditions = [condition("example.dev/gate")] })
        #expect(edited { $0.metadata.labels = ["a": "b"] })
        #expect(edited { $0.metadata.generation = 2 })
        #expect(edited { $0.spec.containers[0].image = "busybox:2" })
        #expect(edited { $0.metadata.deletionTimestamp = Timestamp(seconds: 1) })
    }
}
