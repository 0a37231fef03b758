import KubeAPI
import NIOConcurrencyHelpers
import Testing

@testable import VKAdapter

@Suite struct AdmissionTests {
    static let node = Admission(
        nodeName: "n", labels: ["kubernetes.io/os": "linux", "disk": "ssd", "size": "3"], os: "linux",
        allocatable: ["cpu": "4", "memory": "8Gi", "pods": "3", "vzcri.dev/vm": "2"])

    static func pod(_ requests: [String: Quantity] = [:], _ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        Sample.pod {
            $0.spec.containers[0].resources.requests = requests
            configure(&$0)
        }
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var pod: Pod
        var others: [Pod] = []
        var reason: String?
        var message = ""
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(name: "fits", pod: pod(["cpu": "500m", "memory": "1Gi"])),
        Case(
            name: "too little cpu", pod: pod(["cpu": "500m"]), others: [pod(["cpu": "3800m"])], reason: "OutOfcpu",
            message: "Node didn't have enough resource: cpu, requested: 500, used: 3800, capacity: 4000"),
        Case(
            name: "too little cpu for the pod as a whole",
            pod: pod(["cpu": "500m"]) { $0.spec.resources = ResourceRequirements { $0.requests = ["cpu": "5"] } },
            reason: "OutOfcpu",
            message: "Node didn't have enough resource: cpu, requested: 5000, used: 0, capacity: 4000"),
        Case(
            name: "too little memory", pod: pod(["memory": "9Gi"]), reason: "OutOfmemory",
            message:
                "Node didn't have enough resource: memory, requested: 9663676416, used: 0, capacity: 8589934592"),
        Case(
            name: "too many pods", pod: pod(), others: [pod(), pod(), pod()], reason: "OutOfpods",
            message: "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"),
        Case(
            name: "too few places for machines", pod: pod(["vzcri.dev/vm": "1"]), others: [pod(["vzcri.dev/vm": "2"])],
            reason: "OutOfvzcri.dev/vm"),
        Case(name: "what the node does not count", pod: pod(["example.org/gpu": "8"])),
        Case(
            name: "an init container needs more than all others",
            pod: pod {
                $0.spec.initContainers = [Sample.container("i") { $0.resources.requests = ["cpu": "5"] }]
            }, reason: "OutOfcpu"),
        Case(
            name: "side-cars count beside the init containers behind them",
            pod: pod {
                $0.spec.initContainers = [
                    Sample.container("s") {
                        $0.restartPolicy = .always
                        $0.resources.requests = ["cpu": "2"]
                    },
                    Sample.container("i") { $0.resources.requests = ["cpu": "2500m"] },
                ]
            }, reason: "OutOfcpu"),
        Case(name: "the node's own label", pod: pod { $0.spec.nodeSelector = ["disk": "ssd"] }),
        Case(
            name: "another value of it", pod: pod { $0.spec.nodeSelector = ["disk": "hdd"] }, reason: "NodeAffinity",
            message: "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"),
        Case(name: "a label others may have given", pod: pod { $0.spec.nodeSelector = ["team": "a"] }),
        Case(name: "windows", pod: pod { $0.spec.os = PodOS { $0.name = "windows" } }, reason: "PodOSNotSupported"),
        Case(
            name: "a host port that is taken",
            pod: pod { $0.spec.containers[0].ports = [port(80)] },
            others: [pod { $0.spec.containers[0].ports = [port(80, "127.0.0.1")] }], reason: "NodePorts"),
        Case(
            name: "the same port of another address",
            pod: pod { $0.spec.containers[0].ports = [port(80, "192.0.2.1")] },
            others: [pod { $0.spec.containers[0].ports = [port(80, "127.0.0.1")] }]),
        Case(name: "absurd numbers", pod: pod(["cpu": "9223372036854775807", "memory": "16Ei"]), reason: "OutOfcpu"),
        Case(name: "less than nothing", pod: pod(["cpu": "-9223372036854775807"])),
    ]

    static func port(_ number: Int32, _ ip: String = "") -> ContainerPort {
        ContainerPort {
            $0.containerPort = number
            $0.hostPort = number
            $0.hostIP = ip
        }
    }

    @Test("a pod that does not fit is turned away in the kubelet's words", arguments: cases)
    func refusals(_ one: Case) {
        let refusal = Self.node.refusal(of: one.pod, beside: one.others)
        #expect(refusal?.reason == one.reason)
        if !one.message.isEmpty { #expect(refusal?.message == one.message) }
    }

    @Test(
        "a Mac takes pods for Linux, for its containers are that",
        arguments: [("", true), ("linux", true), ("darwin", true), ("windows", false)])
    func darwin(os: String, isTaken: Bool) {
        var node = Self.node
        node.os = "darwin"
        let pod = Self.pod { if !os.isEmpty { $0.spec.os = PodOS { $0.name = os } } }
        #expect((node.refusal(of: pod, beside: []) == nil) == isTaken)
    }

    @Test(
        "required node affinity is asked of the node's own labels",
        arguments: [
            (#"{"key":"disk","operator":"In","values":["ssd","nvme"]}"#, true),
            (#"{"key":"disk","operator":"NotIn","values":["ssd"]}"#, false),
            (#"{"key":"disk","operator":"Exists"}"#, true),
            (#"{"key":"disk","operator":"DoesNotExist"}"#, false),
            (#"{"key":"size","operator":"Gt","values":["2"]}"#, true),
            (#"{"key":"size","operator":"Lt","values":["2"]}"#, false),
            (#"{"key":"size","operator":"Gt","values":["x"]}"#, false),
            (#"{"key":"team","operator":"In","values":["a"]}"#, true),
            (#"{"key":"disk","operator":"Sideways"}"#, false),
        ])
    func affinity(expression: String, matches: Bool) throws {
        let text = """
            {"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
            {"matchExpressions":[\(expression)]}]}}}
            """
        let affinity = try Value(json: Array(text.utf8))
        let pod = Self.pod { $0.spec.affinity = affinity }
        #expect((Self.node.refusal(of: pod, beside: []) == nil) == matches)
    }

    @Test("a DaemonSet's pod names its node by a field")
    func fields() throws {
        for (name, matches) in [("n", true), ("m", false)] {
            let text = """
                {"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
                {"matchFields":[{"key":"metadata.name","operator":"In","values":["\(name)"]}]}]}}}
                """
            let affinity = try Value(json: Array(text.utf8))
            #expect((Self.node.refusal(of: Self.pod { $0.spec.affinity = affinity }, beside: []) == nil) == matches)
        }
    }

    @Test("places are given in the order pods came, and whoever leaves calls the next")
    func queue() {
        let queue = SlotQueue()
        let calls = Calls()
        #expect(queue.enter("a") { calls.add("a") } == 0)
        #expect(queue.enter("b") { calls.add("b") } == 1)
        #expect(queue.enter("c") { calls.add("c") } == 2)
        #expect(queue.enter("b") { calls.add("b") } == 1, "it keeps its place")
        queue.leave("b")
        #expect(calls.all == [] && queue.waiting == ["a", "c"])
        queue.leave("a")
        queue.leave("a")
        #expect(calls.all == ["c"])
        #expect(
            SlotWait(slots: 2, ahead: 1).description
                == "the pod waits for 2 places for virtual machines; 1 pod is before it")
    }
}

/// Texts, in order.
final class Calls: Sendable {
    private let box = NIOLockedValueBox<[String]>([])
    var all: [String] { box.withLockedValue { $0 } }
    func add(_ text: String) { box.withLockedValue { $0.append(text) } }
}
