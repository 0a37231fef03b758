import Docker
import HTTP
import HostFiles
public import Logging
import NIOCore
import NIOPosix
import Proto
import RPC
import Registry
public import ServiceLifecycle
public import Sockets
import Streaming
import Synchronization
import TLS
import UnixSignals
import Waiting

/// The daemon behind `cri-shim serve`.
public enum ShimDaemon {
    /// Serves until SIGTERM or SIGINT, then lets calls in progress end. What runs goes on running.
    ///
    /// - Throws: `ShimError`, `SocketError` or `TLSError` when it cannot start: a wrong configuration, a root or socket in
    ///   use, unreadable files. An absent Docker Engine is no reason: Status says so until it answers.
    public static func run(_ configuration: ShimConfiguration, logger: Logger) async throws {
        let shim = try Shim(configuration, logger: logger)
        try await shim.start()
        let group = ServiceGroup(
            configuration: .init(
                services: [.init(service: shim)], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await group.run()
    }
}

/// A shim with all its parts, ready to be started. Tests run it in their own process.
public final class Shim: Service {
    /// Two loops serve any number of callers; more would only cost memory.
    static let loops = 2

    private let configuration: ShimConfiguration
    private let logger: Logger
    private let group: MultiThreadedEventLoopGroup
    private let root: RootDirectory
    private let client: DockerClient
    private let docker: DockerRuntime
    private let rpc: RPCServer
    private let streamingListener: HTTPServer
    private let addresses: StreamingAddresses
    private let store: StateStore
    private let sandboxes: Sandboxes
    let machines: VMRuntime
    private let host: HostService
    let pulls: PullBoard
    private let vmImages: VMImageCatalog
    private let imageServers: ImageServers?
    private let registries: RegistryClient
    private let prePuller: PrePuller
    private let peers: Peers?
    private let tls: TLSContext?
    private let supervision = Mutex<Task<Void, Never>?>(nil)
    /// How long the first answer of the engine is waited for before serving without.
    static let engineGrace = Duration.seconds(10)

    /// Takes the root directory and reads what is in it.
    public init(_ configuration: ShimConfiguration, logger: Logger) throws {
        try configuration.validate()
        self.configuration = configuration
        self.logger = logger
        group = MultiThreadedEventLoopGroup(numberOfThreads: Self.loops)
        root = try RootDirectory(path: configuration.rootDirectory)
        store = StateStore()
        let info = RuntimeInfo(version: configuration.version)
        client = DockerClient(
            endpoint: configuration.dockerEndpoint, tls: try Self.dockerTLS(configuration.dockerTLS), group: group,
            logger: logger)
        var isLocal = false
        if case .unix = configuration.dockerEndpoint { isLocal = true }
        docker = DockerRuntime(
            client: client, store: store, root: root, info: info, pauseImage: configuration.pauseImage,
            isLocal: isLocal,
            logger: logger)
        let images = try Self.machineImages(configuration, group: group, logger: logger)
        imageServers = images.servers
        let slots = VMSlots(linux: configuration.vmSlots ?? MachineResources.Host.this.cpus)
        machines = Self.machines(
            configuration, store: store, slots: slots, images: images, instance: root.instance, group: group,
            logger: logger)
        let runtimes = Runtimes(standard: docker, machines: machines)
        let sandboxes = Sandboxes(
            store: store, root: root, runtimes: runtimes,
            networks: try Self.networks(configuration, root, logger: logger),
            slots: slots, logger: logger)
        self.sandboxes = sandboxes
        let vmImages = images.catalog
        self.vmImages = vmImages
        let dockerHealth: @Sendable () -> RuntimeHealth = { [docker] in docker.health }
        registries = RegistryClient(configuration: configuration.registries, group: group, logger: logger)
        let choice = RuntimeChoice(
            machines: vmImages, docker: client, dockerHealth: dockerHealth, patterns: configuration.vmImages,
            manifests: RegistryManifests(client: registries, logger: logger))
        addresses = StreamingAddresses(advertised: configuration.advertiseAddress)
        let streaming = StreamingServer(logger: logger)
        let pulls = PullBoard()
        self.pulls = pulls
        let containers = Containers(
            store: store, sandboxes: sandboxes, runtimes: runtimes, chooser: choice, logger: logger)
        let peers = try configuration.peers.map { [group] in
            try Peers($0, store: vmImages.store, group: group, logger: logger)
        }
        self.peers = peers
        let nodeImages = NodeImages(
            machines: vmImages, docker: DockerImages(client: client, runtime: docker, pulls: pulls, logger: logger),
            dockerHealth: dockerHealth, choice: choice,
            pulls: VMImagePulls(
                client: registries, catalog: vmImages, pulls: pulls, rate: configuration.images.prePull.rate,
                lazy: LazyStart(isWanted: configuration.lazyStart, servers: images.servers, logger: logger),
                exchange: peers?.exchange))
        prePuller = PrePuller(configuration.images.prePull, logger: logger, pull: nodeImages.prePull)
        let service = CRIService(
            store: store, sandboxes: sandboxes,
            containers: containers,
            images: nodeImages,
            runtimes: runtimes,
            statistics: ContainerStatistics(store: store, runtimes: runtimes),
            streaming: StreamingSessions(server: streaming, addresses: addresses), info: info, prePull: prePuller,
            logger: logger)
        var router = Router()
        service.register(in: &router)
        let host = HostService(
            choice: choice, store: store, containers: containers, machines: machines, slots: slots, docker: docker,
            pulls: pulls,
            root: root.path, logs: LogDirectory(path: configuration.podLogDirectory), logger: logger)
        host.register(in: &router)
        self.host = host

        let tls = try configuration.tls.map { files in
            try TLSContext.server(
                TLSServerConfiguration(
                    certificateFile: files.certificateFile, keyFile: files.keyFile, clientCAFile: files.clientCAFile,
                    clientCertificate: .required, allowedNames: files.allowedNames,
                    applicationProtocols: ["h2", "http/1.1"]))
        }
        self.tls = tls
        let streamingListener = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0)], logger: logger, group: group
        ) { await streaming.handle($0) }
        self.streamingListener = streamingListener
        rpc = RPCServer(
            listeners: configuration.listen.map { endpoint in
                switch endpoint {
                case .unix(let path): .unix(path, configuration.socket)
                case .tcp(let host, let port): .tcp(host: host, port: port, tls: tls)
                }
            },
            router: router, logger: logger, group: group, httpFallback: { streamingListener.configure($0) })

        let records = try root.load()
        for record in records { try store.put(SandboxEntry(record: record)) }
        if records.contains(where: { $0.runtime == docker.name }) {
            store.beIncomplete(
                docker.name,
                because: ShimError(
                    .unavailable,
                    "what became of this node's pods is not known before the Docker Engine at "
                        + "\(configuration.dockerEndpoint) answers: start it"))
        }
    }

    /// Binds everything.
    /// - Returns: where it listens, with the ports the system chose.
    @discardableResult
    public func start() async throws -> [Endpoint] {
        // Bound before anything else is begun, so that a second shim fails without a trace.
        let bound = try await rpc.bind()
        for case .tcp(_, let port) in try await streamingListener.start() { addresses.listening(onLoopbackPort: port) }
        try await peers?.start()
        // Machines first: they need no engine, and a sandbox in which one lives is ready whatever became of its holder.
        try await sandboxes.adoptNetworks()
        try await machines.adopt()
        await vmImages.collectUnused()
        await imageServers?.adopt(keeping: machines.machineIDs)
        await machines.lookAtDisk()
        let collector = VMImageCollector(
            catalog: vmImages, root: root.path, policy: configuration.images.collection, logger: logger)
        supervision.withLock { [docker, sandboxes, machines, prePuller] in
            $0 = Task {
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await sandboxes.keepHolders() }
                    group.addTask { await docker.run() }
                    group.addTask { await machines.options.disk?.run(machines) }
                    group.addTask { await collector.run() }
                    group.addTask { await prePuller.run() }
                }
            }
        }
        _ = await docker.settled.wait(atMost: Self.engineGrace)
        try await rpc.accept()
        for endpoint in bound { logger.info("serving", metadata: ["endpoint": "\(endpoint)"]) }
        return bound
    }

    /// Reads certificate, key and client CA again; connections that are open keep what they have.
    public func reloadTLS() throws {
        try tls?.reload()
        try peers?.reloadTLS()
    }

    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { [streamingListener] in try await streamingListener.run() }
            tasks.addTask { [store, host] in
                // Streams that have no end of their own would hold up the drain.
                try await gracefulShutdown()
                store.endSubscriptions()
                host.close()
            }
            try await rpc.run()
            tasks.cancelAll()
        }
        let supervising = supervision.withLock { $0 }
        supervising?.cancel()
        await supervising?.value
        await machines.shutDown()
        await peers?.stop()
        await imageServers?.shutDown()
        await client.close()
        await registries.shutdown()
        try await group.shutdownGracefully()
        logger.info("stopped; containers go on running")
    }

    private static func dockerTLS(_ files: ShimConfiguration.DockerTLS?) throws -> TLSContext? {
        try files.map { files in
            try TLSContext.client(
                TLSClientConfiguration(
                    caFile: files.caFile, certificateFile: files.certificateFile, keyFile: files.keyFile,
                    serverName: nil,
                    verification: files.verify ? .full : .none, applicationProtocols: ["http/1.1"]))
        }
    }
}
