import KubeAPI
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct PreemptionTests {
    private static func pod(
        _ name: String, _ requests: [String: Quantity], limits: Bool = false, priority: Int32? = nil,
        _ configure: (inout Pod) -> Void = { _ in }
    ) -> Pod {
        ManagedPods.pod(name) {
            $0.spec.containers[0].resources.requests = requests
            if limits { $0.spec.containers[0].resources.limits = requests }
            $0.spec.priority = priority
            configure(&$0)
        }
    }

    private static let critical: Int32 = 2_000_000_000

    private static func decision(_ pod: Pod, beside others: [Pod]) -> Admission.Decision {
        Admission(nodeName: "n", os: "linux", allocatable: ["cpu": "4", "memory": "8Gi", "pods": "4"])
            .decision(on: pod, beside: others)
    }

    @Test("a pod the node cannot do without takes the place of as few as possible, of the least class first")
    func victims() {
        let all = [
            Self.pod("best", [:]), Self.pod("small", ["cpu": "1"]), Self.pod("large", ["cpu": "2"]),
            Self.pod("sure", ["cpu": "500m", "memory": "1Gi"], limits: true),
        ]
        func uids(_ requests: [String: Quantity]) -> [String]? {
            guard
                case .takeInsteadOf(let uids) = Self.decision(
                    Self.pod("own", requests, priority: Self.critical), beside: all)
            else { return nil }
            return uids
        }
        #expect(uids([:]) == ["best-uid"], "a place is what is missing")
        #expect(uids(["cpu": "1"]) == ["small-uid"], "it gives both")
        #expect(uids(["cpu": "2500m"]) == ["large-uid"])
        #expect(uids(["cpu": "3500m"]).map(Set.init) == ["small-uid", "large-uid"])
        #expect(uids(["cpu": "4"])?.contains("sure-uid") == true)
    }

    @Test("others are refused as before, and one that nothing helps says why")
    func refused() {
        let others = [Self.pod("own", ["cpu": "3"], priority: Self.critical), Self.pod("other", ["cpu": "500m"])]
        #expect(
            Self.decision(Self.pod("plain", ["cpu": "1"], priority: 1_000_000), beside: others)
                == .refuse(
                    WaitingReason(
                        "OutOfcpu", "Node didn't have enough resource: cpu, requested: 1000, used: 3500, capacity: 4000"
                    )))
        #expect(
            Self.decision(Self.pod("more", ["cpu": "2"], priority: Self.critical), beside: others)
                == .refuse(
                    WaitingReason(
                        "UnexpectedAdmissionError",
                        "Unexpected error while attempting to recover from admission failure: preemption: error finding "
                            + "a set of pods to preempt: no set of running pods found to reclaim resources: "
                            + "[(res: cpu, q: 1000), ]")))
        #expect(
            Self.decision(Self.pod("higher", ["cpu": "2"], priority: Self.critical + 1), beside: others)
                == .takeInsteadOf(["own-uid"]))
        let elsewhere = Self.pod("elsewhere", ["cpu": "2"], priority: Self.critical) { $0.spec.nodeName = "m" }
        guard case .refuse(let reason) = Self.decision(elsewhere, beside: others) else {
            Issue.record("nobody has to go for it")
            return
        }
        #expect(reason.reason == "NodeName")
    }

    @Test("whoever goes for it fails in the kubelet's words, and it runs")
    func life() async throws {
        try await ManagedPods.with {
            $0.admission = Admission(nodeName: "n", os: "linux", allocatable: ["cpu": "2", "pods": "10"])
        } _: { here in
            let web = Self.pod("web", ["cpu": "1500m"])
            here.want(web)
            try await eventually("ready") { here.isReady("web") }
            here.want(web, Self.pod("own", ["cpu": "1"], priority: Self.critical))
            try await eventually("it runs") { here.isReady("own") }
            try await eventually("the other has ended") { here.runtime.running("web") == nil }
            let status = try #require(here.status("web"))
            #expect(status.phase == .failed && status.reason == "Preempting")
            #expect(status.message == "Preempted in order to admit critical pod")
            let condition = try #require(status.condition(.disruptionTarget))
            #expect(condition.status == "True" && condition.reason == "TerminationByKubelet")
            #expect(condition.message == "Pod was preempted by Kubelet to accommodate a critical pod.")
            #expect(StatusWriter.own(status).contains(.disruptionTarget))
            #expect(here.events.all.contains("web Preempting: Preempted in order to admit critical pod"))
        }
    }
}
