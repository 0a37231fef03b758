import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

/// Pods as nobody sane writes them: whatever an API server lets through, the adapter decides something and goes on.
@Suite struct HostilePodTests {
    static let numbers: [Int64] = [.min, -1, 0, 1, 2, 30, 1 << 31, 1 << 53, .max - 1, .max]
    static let small: [Int32] = [.min, -1, 0, 1, 3, .max]
    static let texts = ["", "c", "a/../b", "\u{0}", "x\ny", String(repeating: "n", count: 5000), "ä😀", "-", "$(X)"]
    static let amounts: [Quantity] = ["0", "-1", "1m", "4", "9223372036854775807", "1Ei", "999999999999Ei", "-1Ei"]

    static func container(_ name: String, _ dice: inout SeededRandom) -> Container {
        var container = Container()
        container.name = dice.pick([name, dice.pick(texts)])
        container.image = dice.pick(texts)
        container.restartPolicy = dice.pick([nil, "Always", "Never", "OnFailure", "Sometimes"])
        for resource in ["cpu", "memory", "pods", "", "vzcri.dev/vm"] where Bool.random(using: &dice) {
            container.resources.requests[resource] = dice.pick(amounts)
            container.resources.limits[resource] = dice.pick(amounts)
        }
        func probe(_ dice: inout SeededRandom) -> Probe {
            var probe = Probe()
            probe.initialDelaySeconds = dice.pick(small)
            probe.periodSeconds = dice.pick(small)
            probe.timeoutSeconds = dice.pick(small)
            probe.failureThreshold = dice.pick(small)
            probe.successThreshold = dice.pick(small)
            probe.terminationGracePeriodSeconds = dice.pick(numbers)
            return probe
        }
        container.livenessProbe = probe(&dice)
        container.readinessProbe = probe(&dice)
        container.startupProbe = probe(&dice)
        container.restartPolicyRules = [
            ContainerRestartRule {
                $0.action = "Restart"
                $0.exitCodes = ContainerRestartRule.ExitCodes {
                    $0.operator = "In"
                    $0.values = small
                }
            }
        ]
        return container
    }

    static func pod(_ dice: inout SeededRandom) -> Pod {
        var pod = Sample.pod()
        pod.spec.restartPolicy = dice.pick(["Always", "Never", "OnFailure", "", "Perhaps"])
        pod.spec.terminationGracePeriodSeconds = dice.pick(numbers)
        pod.metadata.deletionGracePeriodSeconds = dice.pick([nil] + numbers.map(Optional.some))
        pod.spec.activeDeadlineSeconds = dice.pick(numbers)
        pod.spec.initContainers = (0..<Int.random(in: 0..<3, using: &dice)).map { container("i\($0)", &dice) }
        pod.spec.containers = (0..<Int.random(in: 0..<4, using: &dice)).map { container("c\($0)", &dice) }
        pod.spec.ephemeralContainers = [container("e", &dice)]
        pod.spec.nodeSelector = [dice.pick(texts): dice.pick(texts)]
        pod.spec.overhead = ["cpu": dice.pick(amounts)]
        return pod
    }

    static func scene(_ pod: Pod, _ dice: inout SeededRandom) -> Scene {
        var scene = Scene()
        scene.pod = pod
        scene.sandbox(ready: Bool.random(using: &dice))
        let states: [CRI.ContainerState] = [.containerCreated, .containerRunning, .containerExited, .containerUnknown]
        for container in pod.spec.allContainers where Bool.random(using: &dice) {
            scene.run(
                container.name, dice.pick(states), attempt: dice.pick([0, 1, 1000]),
                exit: dice.pick(small))
            scene.runs[scene.runs.count - 1].status.startedAt = dice.pick(numbers)
            scene.runs[scene.runs.count - 1].status.finishedAt = dice.pick(numbers)
        }
        return scene
    }

    @Test("a decision is made about every pod, and its status is told", arguments: 1...8 as ClosedRange<UInt64>)
    func decisions(seed: UInt64) {
        var dice = SeededRandom(seed: seed)
        let node = Admission(
            nodeName: "n", labels: ["a": "b"], os: "linux", allocatable: ["cpu": "4", "memory": "1Gi", "pods": "3"])
        for _ in 0..<60 {
            let pod = Self.pod(&dice)
            _ = node.refusal(of: pod, beside: [Self.pod(&dice), pod])
            var scene = Self.scene(pod, &dice)
            var facts = ContainerFacts()
            for run in scene.runs where Bool.random(using: &dice) {
                facts.failed[run.id] = .init(kind: .liveness, grace: dice.pick(Self.numbers))
                facts.resized[run.id] = Bool.random(using: &dice)
            }
            let actions = nextActions(
                spec: pod, observed: scene.observed, backoff: scene.backoff, now: scene.now, facts: facts)
            for case .stopContainer(_, _, let grace, _) in actions { #expect(grace >= 2) }
            _ = scene.removal()
            scene.now = Timestamp(nanosecondsSince1970: dice.pick(Self.numbers))
            _ = scene.next()
            var input = StatusInput(pod: pod, now: scene.now)
            input.containers = scene.runs.map(\.status)
            input.sandbox = scene.sandboxes.first
            #expect(!input.status().phase.rawValue.isEmpty)
            var resizes = Resizes(pod, known: input.status())
            let other = Self.pod(&dice)
            resizes.consider(other, node, beside: [pod])
            for container in other.spec.containers { _ = resizes.needsRestart(container) }
            _ = resizes.granted(other)
        }
    }

    @Test("times that nobody lives to see do not come at once", arguments: numbers)
    func times(seconds: Int64) {
        let now = Runtime.timestamp(0)
        let then = now.advanced(by: .seconds(seconds))
        #expect((then < now) == (seconds < 0))
        #expect(then.since(now) >= .zero || seconds < 0)
        let written = Duration.written(seconds: seconds)
        #expect(written >= .zero && written <= .longest && written.nanoseconds >= 0)
    }
}

extension SeededRandom {
    fileprivate mutating func pick<T>(_ all: [T]) -> T { all[Int.random(in: 0..<all.count, using: &self)] }
}
