import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Proto
import RPC
import Support

@testable import VKAdapter

/// A manager over the fake runtime that is told of pods by the test, as an API server gives them.
struct ManagedPods: Sendable {
    let runtime: FakeRuntime
    let manager: PodManager
    let store: PodStore
    let events: RecordedEvents

    @discardableResult
    static func with<R: Sendable>(
        _ configure: (inout PodContext) -> Void = { _ in }, _ body: (ManagedPods) async throws -> R
    ) async throws -> R {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let group = MultiThreadedEventLoopGroup.singleton
        return try await Node.with { node in
            try await node.runtime.serve(node.socket) { endpoint in
                let client = RPCClient(endpoint: endpoint, group: group, logger: logger)
                let provider = CRIProvider(client: client, nodeName: "n")
                let store = PodStore()
                let events = RecordedEvents()
                var mapping = MappingContext()
                mapping.nodeName = "n"
                mapping.labels = [CRIProvider.nodeLabel: "n"]
                mapping.logRoot = node.directory + "/logs"
                let runtime = RuntimeInfo(name: "fake")
                var context = PodContext(
                    provider: provider,
                    volumes: PodVolumes(
                        host: LocalVolumeHost(root: node.root), mapping: mapping, events: events, logger: logger),
                    logs: LocalLogHost(),
                    mapping: mapping, store: store, runtime: runtime, logger: logger)
                context.retry = .milliseconds(100)
                context.policy = BackOff.Policy(
                    initial: .milliseconds(100), maximum: .milliseconds(200), reset: .seconds(600))
                context.mountPolicy = BackOff.Policy(
                    initial: .milliseconds(20), maximum: .milliseconds(100), reset: .seconds(600))
                context.events = events
                // The fake runtime tells nobody which machines can be reached.
                context.guests.isNotServed()
                context.handlers = HandlerRunner(
                    provider: provider, dialer: DirectDialer(group: group), group: group, logger: logger)
                configure(&context)
                let manager = PodManager(context: context)
                let watcher = RuntimeWatcher(provider: provider, manager: manager, runtime: runtime, logger: logger)
                let result = try await withThrowingTaskGroup(of: Void.self) { tasks in
                    tasks.addTask { await manager.run() }
                    tasks.addTask { await watcher.run() }
                    defer { tasks.cancelAll() }
                    return try await body(
                        ManagedPods(runtime: node.runtime, manager: manager, store: store, events: events))
                }
                await client.close()
                return result
            }
        }
    }

    /// All pods there should be.
    func want(_ pods: Pod...) { manager.tell(.wanted(WantedPods(pods: pods))) }

    static func pod(_ name: String, _ configure: (inout Pod) -> Void = { _ in }) -> Pod {
        Sample.pod {
            $0.metadata.name = name
            $0.metadata.uid = name + "-uid"
            $0.spec.containers[0].name = name
            configure(&$0)
        }
    }

    func status(_ name: String) -> PodStatus? { store.pod(uid: name + "-uid")?.status }
    func isReady(_ name: String) -> Bool { status(name)?.condition(.ready)?.status == "True" }
}

/// Keeps every event.
final class RecordedEvents: PodEvents {
    private let box = NIOLockedValueBox<[String]>([])

    /// As `pod/container Reason: message`.
    var all: [String] { box.withLockedValue { $0 } }

    func record(_ pod: Pod, _ type: PodEventType, reason: String, message: String, container: String?) {
        box.withLockedValue {
            $0.append("\(pod.metadata.name)\(container.map { "/\($0)" } ?? "") \(reason): \(message)")
        }
    }
}
