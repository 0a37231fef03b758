import KubeAPI
import NIOConcurrencyHelpers
import Support
import Testing

@testable import VKAdapter

/// Who ends before whom, and in what time (KEP-753).
@Suite(.timeLimit(.minutes(2))) struct TerminationOrderTests {
    static func pod(_ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        ManagedPods.pod("web") { pod in
            pod.spec.initContainers = ["first", "second"].map { name in
                Sample.container(name) { $0.restartPolicy = .always }
            }
            pod.spec.containers = [Sample.container("a"), Sample.container("b")]
            pod.spec.terminationGracePeriodSeconds = 60
            configure(&pod)
        }
    }

    @Test("side-cars wait for all containers, and for the side-cars that were started after them")
    func turns() async throws {
        let order = TerminationOrder(Self.pod(), running: ["a", "b", "first", "second"])
        let ended = NIOLockedValueBox<[String]>([])
        await withDiscardingTaskGroup { group in
            for name in ["first", "second", "a", "b"] {
                group.addTask {
                    await order.wait(name, atMost: .seconds(60))
                    ended.withLockedValue { $0.append(name) }
                    order.ended(name)
                }
            }
        }
        let names = ended.withLockedValue { $0 }
        #expect(Set(names.prefix(2)) == ["a", "b"] && names.suffix(2) == ["second", "first"])
    }

    @Test("nobody waits for what does not run, nor longer than it has")
    func limits() async {
        let start = ContinuousClock.now
        let gone = TerminationOrder(Self.pod(), running: ["first"])
        await gone.wait("first", atMost: .seconds(60))
        #expect(ContinuousClock.now - start < .seconds(30))
        let stuck = TerminationOrder(Self.pod(), running: ["a", "first", "second"])
        await stuck.wait("first", atMost: .milliseconds(50))
        await stuck.wait("second", atMost: .zero)
        await stuck.wait("a", atMost: .seconds(60))
        #expect(ContinuousClock.now - start < .seconds(30))
    }

    @Test("side-cars end after the containers, the last one first, and their hooks run at once")
    func order() async throws {
        try await ManagedPods.with { here in
            func hook(_ command: String) -> Lifecycle {
                Lifecycle { $0.preStop = LifecycleHandler { $0.exec = ExecAction { $0.command = [command] } } }
            }
            let pod = Self.pod {
                $0.spec.initContainers[0].lifecycle = hook("hook")
                $0.spec.containers[0].lifecycle = hook("held")
            }
            here.runtime.edit { $0.heldCommand = "held" }
            here.want(pod)
            try await eventually("ready") { here.isReady("web") }
            here.want()
            try await eventually("the side-car's hook has run") {
                here.runtime.edit { $0.commands.contains { $0.container == "first" } }
            }
            try await eventually("b has ended") { here.runtime.running("b") == nil }
            #expect(here.runtime.running("second") != nil && here.runtime.running("first") != nil)
            here.runtime.edit { $0.heldCommand = "" }
            try await eventually("gone") { here.runtime.edit { $0.sandboxes.isEmpty } }
            #expect(here.runtime.edit { $0.stops.map(\.name) } == ["b", "a", "second", "first"])
        }
    }

    @Test("a container that takes all the time there is leaves the others two seconds")
    func late() async throws {
        try await ManagedPods.with { here in
            here.runtime.edit { $0.heldCommand = "held" }
            here.want(
                Self.pod {
                    $0.spec.terminationGracePeriodSeconds = 3
                    $0.spec.containers[0].lifecycle = Lifecycle {
                        $0.preStop = LifecycleHandler { $0.exec = ExecAction { $0.command = ["held"] } }
                    }
                })
            try await eventually("ready") { here.isReady("web") }
            here.want()
            try await eventually("gone") { here.runtime.edit { $0.sandboxes.isEmpty } }
            let stops = here.runtime.edit { $0.stops }
            #expect(stops.first?.name == "b" && stops.first?.grace == 3)
            #expect(stops.dropFirst().map(\.grace) == [2, 2, 2])
        }
    }
}
