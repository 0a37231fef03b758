import Docker
import HostFiles
import Logging
import NIOCore
import Processes
import Proto
import Synchronization
import Waiting

/// Sandboxes and containers on a Docker Engine, here or elsewhere.
///
/// What it knows goes into the state store from one place, ``refresh(_:)``: the engine's view of one container, read and
/// applied under that container's key, so that an older view never replaces a newer one.
final class DockerRuntime: SandboxRuntime {
    let name = "docker"
    let client: DockerClient
    let store: StateStore
    let root: RootDirectory
    let info: RuntimeInfo
    let pause: PauseImage
    /// Whether the engine's processes may be processes of this host.
    let isLocal: Bool
    let logger: Logger
    let serial = KeyedSerial()

    struct State {
        var health = RuntimeHealth(
            isReady: false, reason: "DockerNotReached", message: "the Docker Engine has not been reached yet")
        var pumps: [String: LogPump] = [:]
        var meters: [String: EngineMeter] = [:]
        /// How often containers were killed for want of memory, as far as the engine's events tell.
        var outOfMemory: [String: UInt64] = [:]
    }
    let state = Mutex(State())

    /// Opens when the engine was reached for the first time, or the first try failed: from then on waiting is pointless.
    let settled = Latch()

    /// Tasks that outlive the call that started them, for ``run()`` to own.
    let jobs: AsyncStream<@Sendable () async -> Void>
    let jobsIn: AsyncStream<@Sendable () async -> Void>.Continuation

    init(
        client: DockerClient, store: StateStore, root: RootDirectory, info: RuntimeInfo, pauseImage: String?,
        isLocal: Bool, logger: Logger
    ) {
        self.client = client
        self.store = store
        self.root = root
        self.info = info
        self.isLocal = isLocal
        self.logger = logger
        pause = PauseImage(client: client, configured: pauseImage, info: info, logger: logger)
        (jobs, jobsIn) = AsyncStream.makeStream()
    }

    var joinsHostNamespaces: Bool { isLocal && NetworkNamespace.isPossible }

    var health: RuntimeHealth { state.withLock { $0.health } }

    func requireEngine() throws {
        let health = self.health
        guard health.isReady else { throw ShimError(.unavailable, health.message) }
    }

    /// Facts of the engine that decide how configurations are translated.
    func context() throws -> MappingContext {
        let engine = info.engine ?? RuntimeInfo.Engine()
        return MappingContext(
            instance: root.instance, cgroupDriver: engine.cgroupDriver, appArmor: engine.appArmor,
            seLinux: engine.seLinux,
            lowestOOMScore: isLocal ? try LocalProcesses.lowestOOMScore() : nil)
    }

    /// The contents of a localhost profile; nil for the other kinds.
    func seccompProfile(_ profile: SecurityProfileRecord?) async throws -> String? {
        guard let profile, profile.kind == 2 else { return nil }
        let path = profile.reference
        guard path.hasPrefix("/") else {
            throw ShimError(.invalidArgument, "the localhost seccomp profile \"\(path)\" must be an absolute path")
        }
        guard let bytes = try await RootDirectory.offload({ try RootDirectory.read(path) }) else {
            throw ShimError(.invalidArgument, "there is no seccomp profile \(path)")
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Lets work finish that must not stop half-way when its caller goes away.
    func shielded<R: Sendable>(_ body: @escaping @Sendable () async throws -> R) async throws -> R {
        try await Task { try await body() }.value
    }

    func details(_ container: ContainerEntry) -> [String: String] {
        [
            "info": JSONText.object([
                ("sandboxID", .text(container.sandboxID)),
                ("pid", .number(container.processID)),
                ("runtime", .text(name)),
                ("imageID", .text(container.record.imageID)),
                ("tty", .flag(container.record.tty)),
                ("stdin", .flag(container.record.stdin)),
                ("stdinOnce", .flag(container.record.stdinOnce)),
            ])
        ]
    }
}
