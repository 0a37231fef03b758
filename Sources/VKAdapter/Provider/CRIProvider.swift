import NIOCore
import Proto
import RPC

/// Pods on a CRI runtime. Only objects that carry this node's label are seen: a runtime may serve a kubelet as well.
struct CRIProvider: Provider {
    /// Deadlines of calls.
    struct Timeouts: Sendable {
        var short: Duration = .seconds(10)
        /// Making sandboxes and containers.
        var create: Duration = .seconds(240)
        /// Pulls go on as long as they take; this is for one that hangs.
        var pull: Duration = .seconds(3600)
        /// Beyond the grace period of a stop.
        var stop: Duration = .seconds(60)
    }

    /// Marks what this node made.
    static let nodeLabel = "vzcri.dev/node"

    let client: RPCClient
    let nodeName: String
    var timeouts = Timeouts()
    /// Counts the calls.
    var metrics: AdapterMetrics?
    /// Tells of calls that are part of a trace.
    var tracer: Tracer?

    private var selector: [String: String] { [Self.nodeLabel: nodeName] }

    func version() async throws -> CRI.VersionResponse {
        try await call(CRI.RuntimeService.version, .init { $0.version = "v1" }, "ask the runtime for its version")
    }

    func status() async throws -> CRI.StatusResponse {
        try await call(CRI.RuntimeService.status, .init(), "ask the runtime how it is")
    }

    func pods() async throws -> [String: PodDigest] {
        let (sandboxes, containers) = try await lists(selector)
        var pods: [String: PodDigest] = [:]
        var newest: [String: UInt32] = [:]
        var uids: [String: String] = [:]
        for sandbox in sandboxes {
            guard let identity = KubeletIdentity(labels: sandbox.labels) else { continue }
            let uid = identity.podUID
            uids[sandbox.id] = uid
            pods[uid, default: PodDigest(identity: identity)].sandboxes
                .insert(.init(id: sandbox.id, state: sandbox.state.rawValue))
            let attempt = sandbox.metadata?.attempt ?? 0
            if attempt >= newest[uid] ?? 0 {
                newest[uid] = attempt
                pods[uid]?.annotations = sandbox.annotations
            }
        }
        for container in containers {
            guard var identity = KubeletIdentity(labels: container.labels) else { continue }
            identity.containerName = ""
            let uid = uids[container.podSandboxId] ?? identity.podUID
            pods[uid, default: PodDigest(identity: identity)].containers
                .insert(.init(id: container.id, state: container.state.rawValue))
            if let grace = container.annotations[KubeletAnnotation.podTerminationGracePeriod].flatMap({ Int64($0) }) {
                pods[uid]?.grace = grace
            }
        }
        return pods
    }

    func observe(podUID: String) async throws -> ObservedPod {
        let (sandboxes, containers) = try await lists(selector.merging([KubeletLabel.podUID: podUID]) { $1 })
        let statuses = try await withThrowingTaskGroup(
            of: CRI.PodSandboxStatus?.self, returning: [CRI.PodSandboxStatus].self
        ) { group in
            for sandbox in sandboxes {
                group.addTask {
                    let answer = try await unlessGone {
                        try await call(
                            CRI.RuntimeService.podSandboxStatus, .init { $0.podSandboxId = sandbox.id },
                            "look at sandbox \(sandbox.id)")
                    }
                    return answer?.status
                }
            }
            return try await group.reduce(into: []) { list, status in if let status { list.append(status) } }
        }
        let runs = try await withThrowingTaskGroup(
            of: ObservedContainer?.self, returning: [ObservedContainer].self
        ) { group in
            for container in containers {
                group.addTask {
                    let answer = try await unlessGone {
                        try await call(
                            CRI.RuntimeService.containerStatus, .init { $0.containerId = container.id },
                            "look at container \(container.id)")
                    }
                    return answer?.status.map { ObservedContainer(sandboxID: container.podSandboxId, status: $0) }
                }
            }
            return try await group.reduce(into: []) { list, run in if let run { list.append(run) } }
        }
        return ObservedPod(sandboxes: statuses, containers: runs)
    }

    private func lists(_ selector: [String: String]) async throws -> ([CRI.PodSandbox], [CRI.Container]) {
        async let sandboxes = call(
            CRI.RuntimeService.listPodSandbox,
            .init { $0.filter = CRI.PodSandboxFilter { $0.labelSelector = selector } }, "list sandboxes")
        async let containers = call(
            CRI.RuntimeService.listContainers,
            .init { $0.filter = CRI.ContainerFilter { $0.labelSelector = selector } }, "list containers")
        return try await (sandboxes.items, containers.containers)
    }

    func events(opened: @escaping @Sendable () async -> Void, _ changed: @escaping @Sendable (String) async -> Void)
        async throws
    {
        do {
            // Not `openStream`: a server may answer nothing before the first event.
            let stream = try client.stream(CRI.RuntimeService.getContainerEvents, .init())
            await opened()
            for try await event in stream {
                let labels = event.podSandboxStatus?.labels ?? event.containersStatuses.first?.labels ?? [:]
                guard labels[Self.nodeLabel] ?? nodeName == nodeName else { continue }
                // An event that does not say whose it is concerns everybody: "".
                await changed(labels[KubeletLabel.podUID] ?? event.podSandboxStatus?.metadata?.uid ?? "")
            }
        } catch {
            throw adapterError(error, "watch the runtime's events")
        }
        throw AdapterError(.unavailable, "the runtime ended its stream of events")
    }
}
