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

    /// What `/configz` shows (`kubelet.config.k8s.io/v1beta1`): of what a kubelet's tools ask for, what holds here.
    private var shownConfiguration: Value {
        var object = ObjectBuilder()
        object.add("enableServer", Value(.bool(configuration.kubeletAddress != nil)))
        if let path = configuration.podManifestPath { object.add("staticPodPath", path) }
        object.add("syncFrequency", Self.text(configuration.relistInterval))
        if let address = configuration.kubeletAddress, case .tcp(let host, let port) = address {
            object.add("address", host)
            object.add("port", UInt64(port))
        }
        if let file = configuration.kubeletCertificateFile { object.add("tlsCertFile", file) }
        if let file = configuration.kubeletKeyFile { object.add("tlsPrivateKeyFile", file) }
        let lifetimes = configuration.reviewLifetimes
        var certificates = ObjectBuilder()
        if let file = configuration.kubeletClientCAFile { certificates.add("clientCAFile", file) }
        var tokens = ObjectBuilder()
        tokens.add("enabled", Value(.bool(configuration.reviewsTokens && configuration.cluster != nil)))
        tokens.add("cacheTTL", Self.text(lifetimes.token))
        var authentication = ObjectBuilder()
        authentication.add("x509", certificates.value)
        authentication.add("webhook", tokens.value)
        authentication.add("anonymous", Value(.object([Member("enabled", Value(.bool(false)))])))
        object.add("authentication", authentication.value)
        var webhook = ObjectBuilder()
        webhook.add("cacheAuthorizedTTL", Self.text(lifetimes.allowed))
        webhook.add("cacheUnauthorizedTTL", Self.text(lifetimes.denied))
        var authorization = ObjectBuilder()
        authorization.add("mode", configuration.cluster == nil ? "AlwaysAllow" : "Webhook")
        authorization.add("webhook", webhook.value)
        object.add("authorization", authorization.value)
        if !configuration.clusterDomain.isEmpty { object.add("clusterDomain", configuration.clusterDomain) }
        if !configuration.clusterDNS.isEmpty { object.add("clusterDNS", configuration.clusterDNS.encodedAlways()) }
        object.add("maxPods", UInt64(clamping: configuration.maximumPods))
        object.add("resolvConf", configuration.resolvConf)
        object.add("containerRuntimeEndpoint", "\(configuration.runtime)")
        object.add("podLogsDir", configuration.logRoot)
        object.add("enableSystemLogHandler", Value(.bool(configuration.nodeLogDirectory != nil)))
        object.add("enableSystemLogQuery", Value(.bool(false)))
        return object.value
    }

    /// As Go writes durations: `2m0s`.
    static func text(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        guard seconds > 0 else { return "0s" }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return (hours > 0 ? "\(hours)h" : "") + (seconds >= 60 ? "\(minutes)m" : "") + "\(seconds % 60)s"
    }
}
