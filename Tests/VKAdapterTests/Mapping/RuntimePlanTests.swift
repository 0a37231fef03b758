import KubeAPI
import Testing

@testable import VKAdapter

@Suite("Runtime plans") struct RuntimePlanTests {
    private static let images: [String: RuntimePlan.ImageRuntime] = ["mac:1": .vm, "busybox:1": .container]

    private static func plan(
        _ regular: [String], inits: [(image: String, isSidecar: Bool)] = [], runtimeClass: String? = nil,
        images: [String: RuntimePlan.ImageRuntime]? = images
    ) -> RuntimePlan {
        let pod = Sample.pod {
            $0.spec.runtimeClassName = runtimeClass
            $0.spec.containers = regular.enumerated().map { index, image in
                Sample.container("c\(index)") { $0.image = image }
            }
            $0.spec.initContainers = inits.enumerated().map { index, container in
                Sample.container("i\(index)") {
                    $0.image = container.image
                    if container.isSidecar { $0.restartPolicy = "Always" }
                }
            }
        }
        return RuntimePlan(pod, images: images, Sample.context)
    }

    @Test("the images decide the handler and the kind of the pod")
    func kinds() {
        let machine = Self.plan(["mac:1"])
        #expect(machine.handler == "vm" && machine.kind == .vm && machine.slots == 1)
        let hybrid = Self.plan(["busybox:1", "mac:1"])
        #expect(hybrid.handler == "vm" && hybrid.kind == .hybrid && hybrid.slots == 1)
        let containers = Self.plan(["busybox:1"])
        #expect(containers.handler == "docker" && containers.kind == .container && containers.slots == 0)
        #expect(containers.annotations == ["vzcri.dev/pod-kind": "container"])
        #expect(hybrid.annotations == ["vzcri.dev/pod-kind": "hybrid", "vzcri.dev/vm-slots": "1"])
    }

    @Test("a runtime class is obeyed, whatever the images are")
    func runtimeClass() {
        #expect(Self.plan(["busybox:1"], runtimeClass: "vm").handler == "vm")
        #expect(Self.plan(["mac:1"], runtimeClass: "docker").handler == "docker")
    }

    @Test("a runtime that does not tell images apart is asked for what the pod says, and told nothing")
    func foreign() {
        let plan = Self.plan(["mac:1"], images: nil)
        #expect(plan.handler == "" && plan.kind == nil && plan.annotations.isEmpty)
    }

    @Test(
        "as many slots as machines that run at once",
        arguments: [
            (["mac:1", "mac:1"], [], 2),
            (["mac:1"], [("mac:1", false)], 1),
            (["mac:1"], [("mac:1", true)], 2),
            (["busybox:1"], [("mac:1", false), ("mac:1", false)], 1),
            (["busybox:1"], [("mac:1", true), ("mac:1", false)], 2),
            (["mac:1", "busybox:1"], [("busybox:1", true), ("mac:1", true), ("mac:1", true)], 3),
        ] as [([String], [(String, Bool)], Int)])
    func slots(regular: [String], inits: [(String, Bool)], expected: Int) {
        #expect(Self.plan(regular, inits: inits.map { ($0.0, $0.1) }).slots == expected)
    }

    @Test("the plan is read back from the sandbox's annotations and nothing else is")
    func annotations() {
        let plan = Self.plan(["mac:1", "busybox:1"]).annotations
        let sandbox = plan.merging(["vzcri.dev/other": "x", "example.com/a": "b"]) { $1 }
        #expect(RuntimePlan.annotations(in: sandbox) == plan)
        #expect(RuntimePlan.isHybrid(sandbox) && !RuntimePlan.isHybrid([:]))
    }
}
