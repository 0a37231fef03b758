import KubeAPI
import Proto

/// Everything a pod's status is computed from.
struct StatusInput: Sendable {
    var pod: Pod
    /// The newest sandbox.
    var sandbox: CRI.PodSandboxStatus?
    /// Every container the runtime has of the pod, of all attempts, in any order.
    var containers: [CRI.ContainerStatus] = []
    /// Why containers do not run, by container name. Says nothing about one that runs.
    var waiting: [String: WaitingReason] = [:]
    /// The status published before: transition times, addresses and lost containers come from it.
    var previous: PodStatus?
    /// Addresses of the node, the preferred one first.
    var hostIPs: [String] = []
    /// `RuntimeName` of the runtime, for container ids.
    var runtimeName = ""
    /// What containers wrote to their termination message file, by container id.
    var terminationMessages: [String: String] = [:]
    /// Results of readiness probes by container name; a container without one is ready when it runs.
    var readiness: [String: Bool] = [:]
    /// Results of start-up probes by container name; a container without one has started when it runs.
    var startup: [String: Bool] = [:]
    /// Resources the node has set aside, by container name; those of the specification where nothing is said.
    var allocated: [String: ResourceRequirements] = [:]
    /// Resources the containers run with.
    var actual: [String: ResourceRequirements] = [:]
    /// Why other resources that are asked for are not given.
    var resizePending: WaitingReason?
    /// Others are being given; with a message when that goes wrong.
    var resizeInProgress: WaitingReason?
    /// Set when the pod was ended as a whole (`DeadlineExceeded`, `Evicted`): it is Failed whatever its containers say.
    var failure: WaitingReason?
    /// The worker stops the pod and starts nothing any more.
    var terminating = false
    var now: Timestamp

    init(pod: Pod, now: Timestamp) {
        self.pod = pod
        self.now = now
    }
}

extension StatusInput {
    /// The whole status of the pod. A pure function: the same input, the same status.
    func status() -> PodStatus {
        let hasInit = !pod.spec.initContainers.isEmpty
        let initStatuses = pod.spec.initContainers.map { containerStatus($0, isInit: true, podHasInit: hasInit) }
        let statuses = pod.spec.containers.map { containerStatus($0, isInit: false, podHasInit: hasInit) }
        let phase = failure == nil ? phase(initStatuses, statuses) : .failed
        var status = PodStatus()
        status.observedGeneration = pod.metadata.generation
        status.phase = phase
        status.message = failure?.message ?? ""
        status.reason = failure?.reason ?? ""
        status.hostIP = hostIPs.first ?? previous?.hostIP ?? ""
        status.hostIPs = hostIPs.isEmpty ? previous?.hostIPs ?? [] : hostIPs.map(PodIP.init)
        status.podIPs = podIPs().map(PodIP.init)
        status.podIP = status.podIPs.first?.ip ?? ""
        status.startTime = startTime()
        status.initContainerStatuses = initStatuses
        status.containerStatuses = statuses
        status.ephemeralContainerStatuses = pod.spec.ephemeralContainers.map {
            containerStatus($0, isInit: false, podHasInit: false)
        }
        status.qosClass = PodMapping.qosClass(pod)
        status.conditions = conditions(phase: phase, initStatuses, statuses)
        return status
    }

    /// The addresses of the sandbox; the node's for a host-network pod; what they were once the sandbox is gone.
    func podIPs() -> [String] {
        if let sandbox, sandbox.state == .sandboxReady, let network = sandbox.network, !network.ip.isEmpty {
            return [network.ip] + network.additionalIps.map(\.ip)
        }
        if pod.spec.hostNetwork, !hostIPs.isEmpty { return hostIPs }
        return previous?.podIPs.map(\.ip) ?? []
    }

    private func startTime() -> Timestamp {
        if let known = previous?.startTime { return known }
        let seen = containers.map(\.createdAt) + (sandbox.map { [$0.createdAt] } ?? [])
        return seen.filter { $0 > 0 }.min().map { Timestamp(nanosecondsSince1970: $0) } ?? now
    }
}
