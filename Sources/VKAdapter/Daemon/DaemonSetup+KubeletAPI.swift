import KubeAPI
import Sockets

extension DaemonSetup {
    /// Who besides certificates and the file knows callers.
    func reviewers(_ client: KubeClient?) -> [any Authenticator] {
        guard let client, configuration.reviewsTokens else { return [] }
        return [TokenReviewAuthenticator(client: client, lifetimes: configuration.reviewLifetimes)]
    }

    func authorizer(_ client: KubeClient?) -> any Authorizer {
        guard let client else { return AllowAuthenticated() }
        return SubjectAccessAuthorizer(
            client: client, nodeName: configuration.nodeName, lifetimes: configuration.reviewLifetimes)
    }

    /// What is served of the node besides its pods.
    /// - Parameter context: what the pods' workers have.
    func kubeletNode(_ provider: CRIProvider, _ host: RuntimeHost, context: PodContext, metrics: AdapterMetrics)
        -> KubeletNode
    {
        let machine =
            host.remote.map { RemoteNodeUsage(host: $0, facts: host.facts) as any NodeUsageSource }
            ?? LocalNodeUsage(root: configuration.root)
        let volumes = context.volumes.host
        let stats = StatsCollector(
            nodeName: configuration.nodeName, store: context.store, runtime: provider, machine: machine,
            volumes: { try await volumes.usage(pod: $0) }, logger: logger)
        return KubeletNode(
            name: configuration.nodeName, runtime: provider, stats: stats, metrics: metrics,
            configuration: shownConfiguration, logDirectory: configuration.nodeLogDirectory,
            checkpointDirectory: "\(configuration.root)/checkpoints", version: configuration.version, started: .now())
    }
}
