import HTTP
import KubeAPI
import NIOCore
import Sockets
import TLS

extension DaemonSetup {
    /// - Parameter serving: nil where nothing is served.
    func kubeletServer(
        _ serving: ServingCertificate?, _ provider: CRIProvider, _ host: RuntimeHost, _ context: PodContext,
        _ link: ClusterLink?, streamingTLS: TLSContext?, metrics: AdapterMetrics, group: any EventLoopGroup
    ) async throws -> HTTPServer? {
        guard let serving, let address = configuration.kubeletAddress else { return nil }
        var api = KubeletAPI(
            store: context.store, provider: provider, logs: context.logs, mapping: context.mapping,
            authenticators: try await authenticators() + reviewers(link?.client),
            authorizer: authorizer(link?.client), streamingTLS: streamingTLS, group: group, logger: logger)
        if case .tcp(let host, _) = configuration.runtime { api.streamingHost = host }
        api.node = kubeletNode(provider, host, context: context, metrics: metrics)
        return HTTPServer(
            listeners: [try listener(address, serving)], drainTime: .seconds(5), logger: logger, group: group
        ) { [api] in try await api.handle($0) }
    }

    /// - Returns: where the kubelet API listens, with the port it got.
    func start(_ server: HTTPServer?) async throws -> Endpoint? {
        do {
            return try await server?.start().first
        } catch {
            let address = configuration.kubeletAddress.map { "\($0)" } ?? ""
            throw AdapterError(
                .unavailable,
                "the kubelet API cannot listen on \(address): is another kubelet or adapter running here? Stop it or "
                    + "choose another port", cause: error)
        }
    }

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
