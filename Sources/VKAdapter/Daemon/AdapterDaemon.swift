import HTTP
import KubeAPI
public import Logging
import NIOCore
import NIOPosix
import RPC
public import ServiceLifecycle
public import Sockets
import TLS
import UnixSignals

/// The adapter: the pods of a cluster's node or of a directory, run on a CRI runtime, and the kubelet API.
///
/// Ending it ends no pod. What runs is found again at the next start.
public struct AdapterDaemon: Service, CustomStringConvertible {
    public var description: String { "vk-adapter" }
    /// Where the kubelet API listens, with the port it got; `nil` without one.
    public let kubeletEndpoint: Endpoint?
    let client: RPCClient
    private let server: HTTPServer?
    let store: PodStore
    private let manager: PodManager
    private let volumes: PodVolumes
    private let watcher: RuntimeWatcher
    private let guests: GuestWatcher
    private let logRotator: LogRotator
    private let manifests: ManifestDirectory?
    private let cluster: ClusterMode?
    private let serving: ServingCertificate?
    private let certificates: [CertificateKeeper]
    private let housekeeping: Housekeeping?
    private let situation: NodeSituation
    private let shutdownGrace: Duration
    private let lock: RootLock
    private let admin: AdminServer
    private let tracer: Tracer?
    private let startup: StartupLimit?
    private let logger: Logger

    /// Runs until SIGTERM or SIGINT, or until the task is asked to shut down gracefully.
    /// - Throws: ``AdapterError`` with one line that says what is wrong with the configuration or this machine.
    public static func run(_ configuration: AdapterConfiguration, logger: Logger) async throws {
        let daemon = try await AdapterDaemon(configuration, logger: logger)
        let group = ServiceGroup(
            services: [daemon], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        try await group.run()
    }

    /// Checks everything that can be wrong and binds the kubelet API; nothing is started yet.
    /// - Throws: ``AdapterError``.
    public init(_ configuration: AdapterConfiguration, logger: Logger) async throws {
        self.logger = logger
        shutdownGrace = configuration.shutdownGrace
        let group = MultiThreadedEventLoopGroup.singleton
        let first = DaemonSetup(configuration: configuration, logger: logger)
        lock = try await first.prepareRoot()
        let connection = try await first.cluster(group: group)
        var configuration = configuration
        configuration.cluster = connection
        let setup = DaemonSetup(configuration: configuration, logger: logger)
        let addresses = try setup.addresses()
        var mapping = try await setup.mapping(addresses)
        let tls = try setup.runtimeTLS()
        let master = try setup.serviceHost()
        tracer = try setup.tracer(group)
        client = RPCClient(endpoint: configuration.runtime, tls: tls.rpc, group: group, logger: logger)
        let host: RuntimeHost
        do {
            host = try await setup.runtimeHost(client)
        } catch {
            await client.close()
            throw error
        }
        host.apply(to: &mapping)
        let resources = try setup.resources(mapping)
        let situation = NodeSituation()
        self.situation = situation
        mapping.node = resources
        let metrics = AdapterMetrics()
        var provider = CRIProvider(client: client, nodeName: configuration.nodeName)
        provider.metrics = metrics
        provider.tracer = tracer
        let runtime = RuntimeInfo()
        let link = connection.map { setup.link($0, master: master, metrics: metrics, group: group) }
        let events = RecentEvents(link?.events ?? NoPodEvents())
        let store = PodStore(
            published: { link?.mirrors.published($0, isGone: false) },
            gone: { link?.mirrors.published($0, isGone: true) })
        self.store = store
        var context = setup.context(
            provider, host, mapping, store: store, runtime: runtime, events: events, link: link)
        volumes = context.volumes
        context.admission = try await setup.admission(mapping, resources, situation, host)
        context.handlers = try await setup.handlers(provider, streamingTLS: tls.streaming, group: group)
        context.tracer = tracer
        context.metrics = metrics
        admin = AdminServer(store: store, events: events, root: configuration.root, group: group, logger: logger)
        startup = configuration.startupTimeout.map {
            StartupLimit(time: $0, runtime: runtime, endpoint: configuration.runtime)
        }
        let manager = PodManager(context: context)
        self.manager = manager
        logRotator = LogRotator(
            store: store, logs: context.logs, provider: provider, mapping: mapping, logger: logger)
        guests = GuestWatcher(
            client: client, book: context.guests, changed: { manager.tell(.changed("")) }, logger: logger)
        var watcher = RuntimeWatcher(provider: provider, manager: manager, runtime: runtime, logger: logger)
        watcher.intervals.relist = configuration.relistInterval
        watcher.metrics = metrics
        self.watcher = watcher
        let manifests = configuration.podManifestPath.map {
            ManifestDirectory(
                path: $0, nodeName: configuration.nodeName, interval: configuration.manifestInterval, logger: logger)
        }
        self.manifests = manifests
        try await manifests?.check()
        let names = [configuration.nodeName] + addresses
        let serving = try configuration.kubeletAddress.map { _ in try setup.serving(names: names + ["localhost"]) }
        self.serving = serving
        certificates = link.map { setup.certificates(client: $0.client, serving: serving, names: names) } ?? []
        server = try await setup.kubeletServer(
            serving, provider, host, context, link, streamingTLS: tls.streaming, metrics: metrics, group: group)
        kubeletEndpoint = try await setup.start(server)
        guard let link else {
            cluster = nil
            housekeeping = nil
            return
        }
        var port = 0
        if case .tcp(_, let bound)? = kubeletEndpoint { port = bound }
        var node = try await setup.node(mapping, resources, kubeletPort: port)
        host.apply(to: &node)
        let cluster = ClusterMode(
            node: node, provider: provider, pulls: context.images, link: link, manifests: manifests,
            configuration: configuration, situation: situation, logger: logger)
        self.cluster = cluster
        housekeeping = try setup.housekeeping(cluster, host, provider, context, manager, resources, situation)
    }

    public func run() async throws {
        if let kubeletEndpoint { logger.info("the kubelet API listens on \(kubeletEndpoint)") }
        do {
            try await serve()
        } catch {
            await close()
            throw error
        }
        await close()
    }

    private func serve() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            group.addTask { await admin.run(logger) }
            if let startup { group.addTask { try await cancelWhenGracefulShutdown { try await startup.check() } } }
            if let server {
                group.addTask {
                    do {
                        try await server.run()
                    } catch {
                        logger.error("the kubelet API ended: \(error)")
                    }
                }
            }
            group.addTask {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await work() }
                    group.addTask { await end() }
                    await group.next()
                    group.cancelAll()
                }
            }
        }
    }

    private func close() async {
        await client.close()
        lock.release()
        logger.info(shutdownGrace == .zero ? "the adapter ends; its pods run on" : "the adapter ends")
    }

    /// Works until the task is cancelled.
    private func work() async {
        await withDiscardingTaskGroup { group in
            group.addTask { await watcher.run() }
            group.addTask { await manager.run() }
            group.addTask { await guests.run() }
            group.addTask { await logRotator.run() }
            group.addTask { await volumes.run { manager.tell(.volumes($0)) } }
            if let tracer { group.addTask { await tracer.run() } }
            group.addTask {
                if let cluster { return await cluster.run(manager) }
                guard let manifests else { return manager.tell(.wanted(WantedPods())) }
                await manifests.run { manager.tell(.wanted(WantedPods(pods: $0, unreadableFiles: $1))) }
            }
            for keeper in certificates { group.addTask { await keeper.run() } }
            if let serving { group.addTask { await serving.follow() } }
            if let housekeeping { group.addTask { await housekeeping.run() } }
        }
    }

    /// Returns when the work is to end: once somebody said so, and pods that have to end with it have had their time.
    private func end() async {
        do { try await gracefulShutdown() } catch { return }
        guard shutdownGrace > .zero else { return }
        situation.isEnding = true
        await Drain(grace: shutdownGrace, store: store, manager: manager, cluster: cluster, logger: logger).run()
    }
}
