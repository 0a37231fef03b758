import KubeAPI
import NIOCore
import NIOPosix
import Sockets
import TLS

extension DaemonSetup {
    /// What pods are measured by before they run here.
    func admission(
        _ mapping: MappingContext, _ resources: NodeResources, _ situation: NodeSituation, _ host: RuntimeHost
    ) async throws -> Admission {
        var node = try await node(mapping, resources, kubeletPort: 0)
        host.apply(to: &node)
        return Admission(
            nodeName: node.name, labels: node.labels, os: node.info.operatingSystem, resources: resources,
            situation: situation, sysctls: Sysctls(allowed: configuration.allowedUnsafeSysctls),
            hasAppArmor: SystemFacts.hasAppArmor(of: configuration.runtime))
    }

    /// Who may use which image.
    func pullRecords() -> PullRecords? {
        guard let kind = ImageAccessPolicy.Kind(rawValue: configuration.imageVerification), kind != .neverVerify else {
            return nil
        }
        return PullRecords(
            directory: "\(configuration.root)/image_manager",
            policy: ImageAccessPolicy(kind: kind, allowed: configuration.imageVerificationAllowlist), pool: pool,
            logger: logger)
    }

    /// What the node has at first, and what of it pods do not get.
    func resources(_ mapping: MappingContext) throws(AdapterError) -> NodeResources {
        var reserve = NodeResources.Reserve()
        reserve.kube = try NodeResources.Reserve.parse(configuration.kubeReserved, "kubeReserved")
        reserve.system = try NodeResources.Reserve.parse(configuration.systemReserved, "systemReserved")
        reserve.thresholds = try thresholds()
        var capacity = mapping.allocatable
        capacity["pods"] = Quantity(value: Int64(configuration.maximumPods))
        if let slots = configuration.machineSlots {
            capacity[NodeDescription.slots] = Quantity(value: Int64(slots))
        }
        return NodeResources(capacity: capacity, reserve: reserve)
    }

    /// When pods have to go.
    func thresholds() throws(AdapterError) -> [EvictionThreshold] {
        try EvictionThreshold.parse(
            EvictionThreshold.Settings(
                hard: configuration.evictionHard, soft: configuration.evictionSoft,
                softGrace: configuration.evictionSoftGracePeriod, reclaim: configuration.evictionMinimumReclaim))
    }

    /// What asks containers for probes and hooks, by the way their pods can be reached.
    func handlers(_ provider: any Provider, streamingTLS: TLSContext?, group: any EventLoopGroup)
        async throws -> HandlerRunner
    {
        let dialer: any PodDialer
        if configuration.podDialing.isDirect(
            runtime: configuration.runtime, sharesNetwork: PodDialing.sharesNetwork)
        {
            dialer = DirectDialer(group: group)
        } else {
            let directory = "\(configuration.root)/dial"
            _ = try await pool.runIfActive { try SystemCall.makeDirectories(directory, mode: 0o700) }
            var forwarding = ForwardingDialer(
                provider: provider, directory: directory, streamingTLS: streamingTLS, group: group, logger: logger)
            if case .tcp(let host, _) = configuration.runtime { forwarding.streamingHost = host }
            dialer = forwarding
        }
        let tls = try await pool.runIfActive {
            do throws(TLSError) {
                return try TLSContext.client(TLSClientConfiguration(verification: .none))
            } catch {
                throw AdapterError(.failed, "cannot make a TLS client for HTTPS probes", cause: error)
            }
        }
        return HandlerRunner(provider: provider, dialer: dialer, tls: tls, group: group, logger: logger)
    }
}
