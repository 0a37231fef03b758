import KubeAPI
import Logging
import NIOConcurrencyHelpers
import Proto

/// What every pod worker is given.
struct PodContext: Sendable {
    var provider: any Provider
    var volumes: PodVolumes
    var logs: any LogHost
    var guests = GuestBook()
    var mapping: MappingContext
    /// `nil` without a cluster.
    var objects: (any ObjectSource)?
    var store: PodStore
    var events: any PodEvents = NoPodEvents()
    var images = ImagePulls()
    /// Asks containers for probes and hooks; `nil` where nobody can be asked.
    var handlers: HandlerRunner?
    var metrics = AdapterMetrics()
    /// Pods that wait for places of virtual machines.
    var slots = SlotQueue()
    /// What containers share where their engine is another machine.
    var pool = ContainerPool()
    /// What the node has; `nil` admits every pod.
    var admission: Admission?
    /// How long the postStart hook of a machine may take.
    var postStartTimeout: Duration = .seconds(10)
    var runtime: RuntimeInfo
    var policy = BackOff.Policy.kubelet
    var mountPolicy = BackOff.Policy.mounts
    /// Between tries of a step that failed.
    var retry: Duration = .seconds(10)
    /// Between words about a pull that takes long.
    var progressInterval: Duration = .seconds(60)
    var now: @Sendable () -> Timestamp = { Timestamp.now() }
    /// Is told how long steps take.
    var tracer: Tracer?
    var logger: Logger
}

/// What is known of the runtime, once it has answered.
final class RuntimeInfo: Sendable {
    private let box = NIOLockedValueBox("")
    init(name: String = "") { self.name = name }
    /// `RuntimeName`, for container ids.
    var name: String {
        get { box.withLockedValue { $0 } }
        set { box.withLockedValue { $0 = newValue } }
    }
}

/// The pods of this node with their status, as they are shown to everybody else.
final class PodStore: Sendable {
    private let pods = NIOLockedValueBox<[String: Pod]>([:])
    private let published: @Sendable (Pod) -> Void
    private let gone: @Sendable (Pod) -> Void

    /// Both are called with the store locked, so that whoever sees a pod here knows that it was passed on: they must neither
    /// call the store nor wait.
    ///
    /// - Parameters:
    ///   - published: is called with every pod whose status changed: the cluster mode tells its API server.
    ///   - gone: is called with the last of a pod of which nothing is left here.
    init(
        published: @escaping @Sendable (Pod) -> Void = { _ in }, gone: @escaping @Sendable (Pod) -> Void = { _ in }
    ) {
        self.published = published
        self.gone = gone
    }

    func publish(_ pod: Pod) {
        pods.withLockedValue { pods in
            if pods[pod.metadata.uid] == pod { return }
            pods[pod.metadata.uid] = pod
            published(pod)
        }
    }

    /// - Parameter isGone: nothing of it is left here; else it is only not to be shown.
    func remove(uid: String, isGone: Bool = false) {
        pods.withLockedValue { pods in
            if let pod = pods.removeValue(forKey: uid), isGone { gone(pod) }
        }
    }

    func pod(uid: String) -> Pod? { pods.withLockedValue { $0[uid] } }

    /// The pod of that name. Of two, the one that is not going.
    func pod(namespace: String, name: String) -> Pod? {
        all.filter { $0.metadata.namespace == namespace && $0.metadata.name == name }
            .min { left, _ in left.metadata.deletionTimestamp == nil }
    }

    var uids: Set<String> { pods.withLockedValue { Set($0.keys) } }

    /// By namespace and name.
    var all: [Pod] {
        pods.withLockedValue { Array($0.values) }.sorted {
            ($0.fullName, $0.metadata.uid) < ($1.fullName, $1.metadata.uid)
        }
    }
}
