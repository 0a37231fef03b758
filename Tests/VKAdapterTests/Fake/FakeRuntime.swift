import KubeAPI
import NIOConcurrencyHelpers
import Proto
import RPC

/// A CRI runtime without processes, as strict as a real one: names are taken once, containers live in sandboxes that are
/// ready, what runs is not removed, images are there or are pulled.
final class FakeRuntime: Sendable {
    struct Sandbox {
        var config: CRI.PodSandboxConfig
        var handler: String
        var status: CRI.PodSandboxStatus
    }
    struct Container {
        var sandbox: String
        var config: CRI.ContainerConfig
        var status: CRI.ContainerStatus
    }
    struct State {
        var sandboxes: [String: Sandbox] = [:]
        var containers: [String: Container] = [:]
        /// Everything ever made for a pod, by its UID: what asks for one pod need not look at hundreds.
        var made: [String: [String]] = [:]
        /// Present images, by the name they are asked for.
        var images: Set<String> = ["busybox:1"]
        /// Which images are machines; `nil`: a runtime that does not tell.
        var machines: Set<String>?
        /// What the host service says of the host; `nil` where there is none.
        var host: HostAPI.HostInfoResponse?
        /// How far pulls are, by image: those in here do not end. `nil` tells nobody.
        var progress: [String: HostAPI.PullProgress]?
        /// Images a registry has.
        var registry: Set<String> = ["pulled:1"]
        /// What the registry wants to see for an image.
        var passwords: [String: String] = [:]
        /// Pulls fail with this.
        var registryFailure: RPCError?
        /// Containers of this image end at once with this code.
        var exits: [String: Int32] = [:]
        /// Containers of this image cannot be started.
        var unstartable: Set<String> = []
        /// `RunPodSandbox` fails with this.
        var sandboxFailure: String?
        /// Places for machines; sandboxes that are ready have theirs. `nil`: as many as anybody wants.
        var slots: Int?
        /// So many calls of `RunPodSandbox` find another one making it.
        var busySandboxes = 0
        /// `StopContainer` says that it worked, and nothing ends.
        var ignoresStops = false
        /// `StopContainer` of these never answers, and nothing ends.
        var hangingStops: Set<String> = []
        /// `CreateContainer` works and its answer is lost.
        var losesCreateAnswers = false
        var hasEvents = true
        var calls: [String: Int] = [:]
        var stops: [(name: String, grace: Int64)] = []
        var next = 0
        var clock: Int64 = 0
        var listeners: [Int: AsyncStream<CRI.ContainerEventResponse>.Continuation] = [:]
        /// Is told of every container that began or ended, as it does.
        var observer: (@Sendable (CRI.ContainerStatus) -> Void)?
        /// UIDs of pods that got a sandbox while they had another that was ready.
        var twins: [String] = []
        var execs: [CRI.ExecRequest] = []
        /// Commands that were run to their end, with their containers' names.
        var commands: [(container: String, command: [String])] = []
        /// How a command of a container ends: by name and the command's words.
        var command: @Sendable (_ container: String, _ command: [String]) throws -> (code: Int32, output: String) = {
            _, _ in (0, "")
        }
        /// Commands that begin with this run until they are let go, or their time is over.
        var heldCommand = ""
        var resources: [(name: String, resources: CRI.LinuxContainerResources)] = []
        /// `UpdateContainerResources` fails with this.
        var resizeFailure: RPCError?
        var checkpoints: [CRI.CheckpointContainerRequest] = []
        /// Whether it says what everything uses.
        var hasStats = true
        /// Methods that never answer.
        var hangs: Set<String> = []
        /// Where `exec`, `attach` and `portforward` are served.
        var streamURL: @Sendable (_ kind: String, _ tty: Bool) throws -> String = { _, _ in "" }
    }

    let box = NIOLockedValueBox(State())

    /// Changes or reads the state.
    @discardableResult func edit<R>(_ body: (inout State) throws -> R) rethrows -> R { try box.withLockedValue(body) }

    var calls: [String: Int] { edit { $0.calls } }

    // MARK: What a test does to containers

    /// All runs of a container, oldest first.
    func runs(_ name: String) -> [Container] {
        edit { state in
            state.containers.values.filter { $0.config.metadata?.name == name }
                .sorted { $0.status.createdAt < $1.status.createdAt }
        }
    }

    func running(_ name: String) -> Container? { runs(name).last { $0.status.state == .containerRunning } }

    /// The newest run of a container ends by itself.
    func exit(_ name: String, _ code: Int32) {
        guard let id = running(name)?.status.id else { return }
        edit { $0.end(id, code) }
    }

    /// Sandboxes die with all that is in them.
    /// - Parameter pod: only this pod's.
    func killSandboxes(ofPod pod: String? = nil) {
        edit { state in
            for (id, sandbox) in state.sandboxes where pod == nil || sandbox.config.metadata?.uid == pod {
                state.stopSandbox(id)
            }
        }
    }
}

extension FakeRuntime.State {
    mutating func count(_ call: String) { calls[call, default: 0] += 1 }

    mutating func id(_ prefix: String) -> String {
        next += 1
        return "\(prefix)\(next)"
    }

    /// Later than every time before.
    mutating func now() -> Int64 {
        clock = max(clock + 1, Timestamp.now().nanosecondsSince1970)
        return clock
    }

    mutating func end(_ id: String, _ code: Int32) {
        guard containers[id]?.status.state == .containerRunning else { return }
        let now = now()
        containers[id]?.status.state = .containerExited
        containers[id]?.status.finishedAt = now
        containers[id]?.status.exitCode = code
        tell(id, .containerStoppedEvent)
    }

    mutating func stopSandbox(_ id: String) {
        // Whatever runs in it ends, also when it is stopped again.
        for (container, value) in containers where value.sandbox == id { end(container, 137) }
        guard sandboxes[id]?.status.state == .sandboxReady else { return }
        sandboxes[id]?.status.state = .sandboxNotready
        sandboxes[id]?.status.network = nil
        tell(id, .containerStoppedEvent)
    }

    func tell(_ id: String, _ type: CRI.ContainerEventType) {
        let sandbox = sandboxes[containers[id]?.sandbox ?? id]?.status
        let event = CRI.ContainerEventResponse {
            $0.containerId = id
            $0.containerEventType = type
            $0.podSandboxStatus = sandbox
        }
        for listener in listeners.values { listener.yield(event) }
        if let observer, let status = containers[id]?.status { observer(status) }
    }
}
