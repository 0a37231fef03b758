import KubeAPI
import Proto

/// One container as the runtime has it.
struct ObservedContainer: Sendable, Hashable {
    var sandboxID: String
    var status: CRI.ContainerStatus

    var id: String { status.id }
    var name: String { status.containerName }
    /// How often the container was started before this run.
    var attempt: UInt32 { UInt32(clamping: status.restartCount) }
    var isRunning: Bool { status.state == .containerRunning }
    var hash: String? { status.annotations[KubeletAnnotation.containerHash] }

    /// When it ended; when it was made, where the runtime does not say.
    var ended: Timestamp {
        Timestamp(nanosecondsSince1970: status.finishedAt > 0 ? status.finishedAt : status.createdAt)
    }
    var created: Timestamp { Timestamp(nanosecondsSince1970: status.createdAt) }
}

/// Everything the runtime has of one pod.
struct ObservedPod: Sendable, Hashable {
    /// The newest first.
    var sandboxes: [CRI.PodSandboxStatus] = []
    /// The newest first.
    var containers: [ObservedContainer] = []

    init(sandboxes: [CRI.PodSandboxStatus] = [], containers: [ObservedContainer] = []) {
        self.sandboxes = sandboxes.sorted {
            ($0.metadata?.attempt ?? 0, $0.createdAt) > ($1.metadata?.attempt ?? 0, $1.createdAt)
        }
        self.containers = containers.sorted { ($0.attempt, $0.status.createdAt) > ($1.attempt, $1.status.createdAt) }
    }

    var isEmpty: Bool { sandboxes.isEmpty && containers.isEmpty }
    var sandbox: CRI.PodSandboxStatus? { sandboxes.first }

    /// The sandbox containers can be started in.
    var readySandbox: CRI.PodSandboxStatus? { sandbox.flatMap { $0.state == .sandboxReady ? $0 : nil } }

    /// The newest run of a container, in whatever sandbox.
    func newest(_ name: String) -> ObservedContainer? { containers.first { $0.name == name } }

    /// The newest run of a container in the newest sandbox.
    func current(_ name: String) -> ObservedContainer? {
        containers.first { $0.name == name && $0.sandboxID == sandbox?.id }
    }

    /// How often the container was started before, were it started now.
    func nextAttempt(_ name: String) -> UInt32 { newest(name).map { $0.attempt &+ 1 } ?? 0 }

    /// The addresses of the pod, as the runtime gave them.
    var ips: [String] {
        guard let network = readySandbox?.network, !network.ip.isEmpty else { return [] }
        return [network.ip] + network.additionalIps.map(\.ip)
    }
}
