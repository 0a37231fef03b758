import KubeAPI
import Logging
import NIOPosix
import Proto
import RPC
import Support
import Testing

@testable import VKAdapter

/// Pods as an API server gives them: another version of the same pod, and several at a time.
@Suite(.timeLimit(.minutes(2))) struct PodUpdateTests {
    /// A manager over the fake runtime that is told of pods by the test.
    private func managing(_ body: (FakeRuntime, PodManager, PodStore) async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        try await Node.with { node in
            try await node.runtime.serve(node.socket) { endpoint in
                let client = RPCClient(
                    endpoint: endpoint, group: MultiThreadedEventLoopGroup.singleton, logger: logger)
                let provider = CRIProvider(client: client, nodeName: "n")
                let store = PodStore()
                var mapping = MappingContext()
                mapping.nodeName = "n"
                mapping.labels = [CRIProvider.nodeLabel: "n"]
                mapping.logRoot = node.directory + "/logs"
                let runtime = RuntimeInfo(name: "fake")
                var context = PodContext(
                    provider: provider,
                    volumes: PodVolumes(
                        host: LocalVolumeHost(root: node.root), mapping: mapping, logger: logger),
                    logs: LocalLogHost(), mapping: mapping, store: store, runtime: runtime, logger: logger)
                context.retry = .milliseconds(100)
                let manager = PodManager(context: context)
                let watcher = RuntimeWatcher(provider: provider, manager: manager, runtime: runtime, logger: logger)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await manager.run() }
                    group.addTask { await watcher.run() }
                    defer { group.cancelAll() }
                    try await body(node.runtime, manager, store)
                }
                await client.close()
            }
        }
    }

    private func pod(_ name: String, _ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        Sample.pod {
            $0.metadata.name = name
            $0.metadata.uid = name + "-uid"
            $0.spec.containers[0].name = name
            // As it stands in the API, its values not put in: what runs has them put in.
            $0.spec.containers[0].env = [
                EnvVar {
                    $0.name = "POD"
                    $0.valueFrom = EnvVarSource { $0.fieldRef = ObjectFieldSelector { $0.fieldPath = "metadata.name" } }
                }
            ]
            configure(&$0)
        }
    }

    private func isReady(_ store: PodStore, _ name: String) -> Bool {
        store.pod(uid: name + "-uid")?.status.condition(.ready)?.status == "True"
    }

    @Test("another label, annotation or toleration of a pod that runs changes neither what runs nor its status (C14)")
    func edits() async throws {
        try await managing { runtime, manager, store in
            manager.tell(.wanted(WantedPods(pods: [pod("web")])))
            try await eventually("ready") { isReady(store, "web") }
            let before = try #require(store.pod(uid: "web-uid")?.status)
            let run = try #require(runtime.running("web")?.status.id)
            let calls = ["RunPodSandbox", "CreateContainer", "StartContainer", "StopContainer", "RemoveContainer"]
            func made() -> [Int] {
                calls.map { name in runtime.calls.filter { $0.key.hasSuffix(name) }.values.reduce(0, +) }
            }
            let count = made()
            #expect(count == [1, 1, 1, 0, 0])
            for number in 1...20 {
                let edited = pod("web") {
                    $0.metadata.labels = ["edit": "\(number)"]
                    $0.metadata.annotations = ["edit": "\(number)"]
                    $0.metadata.resourceVersion = "\(number)"
                }
                manager.tell(.wanted(WantedPods(pods: [edited])))
                manager.tell(.changed("web-uid"))
                try await eventually("the edit is shown") {
                    store.pod(uid: "web-uid")?.metadata.labels["edit"] == "\(number)"
                }
                #expect(store.pod(uid: "web-uid")?.status == before)
            }
            #expect(made() == count && runtime.running("web")?.status.id == run)
        }
    }

    @Test("a pod whose container does not end keeps no other pod waiting, nor its status (R4)")
    func independent() async throws {
        try await managing { runtime, manager, store in
            runtime.edit { $0.hangingStops = ["stuck"] }
            manager.tell(.wanted(WantedPods(pods: [pod("stuck"), pod("web")])))
            try await eventually("both are ready") { isReady(store, "stuck") && isReady(store, "web") }
            manager.tell(.wanted(WantedPods(pods: [pod("web"), pod("new")])))
            try await eventually("it is asked to end") { runtime.edit { $0.stops.contains { $0.name == "stuck" } } }
            try await eventually("another one starts meanwhile") { isReady(store, "new") }
            runtime.exit("web", 3)
            try await eventually("and one that ended is started again") {
                store.pod(uid: "web-uid")?.status.containerStatuses[0].restartCount == 1 && isReady(store, "web")
            }
            #expect(runtime.running("stuck") != nil && store.pod(uid: "stuck-uid") != nil)
        }
    }
}
