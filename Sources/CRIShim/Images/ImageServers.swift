import HostFiles
import Logging
import NIOCore
import NIOPosix
import Processes
import Synchronization
import VMImages
import VZEngine
import Waiting

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The processes that serve images while they are fetched: `cri-shim image-server`, one for each image. They outlive this
/// program; whoever starts after it finds them again, and one that died is started anew while its machines wait.
final class ImageServers: Sendable {
    private struct Server {
        var task: Task<Void, Never>
        var ready = Latch()
    }

    private struct State {
        var servers: [String: Server] = [:]
        var isShuttingDown = false
    }

    private let state = Mutex(State())
    private let store: ImageStore
    private let root: String
    private let stateDirectory: String
    private let program: String
    private let logLevel: String?
    private let group: any EventLoopGroup
    private let logger: Logger
    /// How long a machine that starts waits for its image's server.
    private static let startLimit = Duration.seconds(60)
    private static let longestPause = Duration.seconds(10)

    /// - Parameters:
    ///   - root, state: the shim's directories.
    ///   - program: `cri-shim`.
    init(
        store: ImageStore, root: String, state: String, program: String, logLevel: String?, group: any EventLoopGroup,
        logger: Logger
    ) {
        self.store = store
        self.root = root
        stateDirectory = state
        self.program = program
        self.logLevel = logLevel
        self.group = group
        self.logger = logger
    }

    private func place(_ image: String) -> LazyPlace { LazyPlace(image: image, state: stateDirectory) }

    /// How a machine finds a disk of an image.
    func remote(_ image: String, disk: Int, size: Int64) -> MachineConfig.Remote {
        .init(image: image, socket: place(image).socket, export: LazyPlace.export(disk), size: size)
    }

    // MARK: What is wanted

    /// Sees to it that an image is served for as long as a machine reads from it.
    /// - Throws: `unavailable` when its server does not start.
    func hold(_ image: String, for machine: String, waits: Bool) async throws {
        let place = place(image)
        // In this order: whoever forgets a server looks at who holds it, under the same lock.
        try await RootDirectory.offload { [self] in try state.withLock { _ in try place.hold(machine) } }
        let ready = ensure(image)
        guard waits, await !ready.wait(atMost: Self.startLimit) else { return }
        throw ShimError(
            .unavailable,
            "what the machine's disk is fetched by does not start within \(Self.startLimit): \(place.log) says why")
    }

    func release(_ image: String, of machine: String) async {
        await attempt("a machine's hold on its image's server was not taken away", image) { try $0.release(machine) }
    }

    /// A guest can be reached: what is not needed to start may be fetched now.
    func noteStarted(_ image: String) async {
        await attempt("that a guest has started was not noted", image) { try $0.noteStarted() }
    }

    private func attempt(
        _ failure: Logger.Message, _ image: String, _ body: @escaping @Sendable (LazyPlace) throws -> Void
    ) async {
        let place = place(image)
        do {
            try await RootDirectory.offload { try body(place) }
        } catch {
            logger.warning(failure, metadata: ["image": "\(image)", "error": "\(error)"])
        }
    }

    /// Takes over what is on disk: images that are not whole yet, or that machines read from, are served on. What was left
    /// of others goes.
    /// - Parameter machines: those there are; others hold nothing.
    func adopt(keeping machines: Set<String>) async {
        do {
            let wanted = try await RootDirectory.offload { [self] in
                let places = try LazyPlace.existing(state: stateDirectory)
                var needed: Set<LazyPlace> = []
                for place in places {
                    tidy(place) { place in
                        for holder in try place.holders().subtracting(machines) { try place.release(holder) }
                        if try isNeeded(place) { needed.insert(place) }
                    }
                }
                let wanted = try store.list().filter { !$0.isWhole || needed.contains(place($0.id)) }
                let kept = Set(wanted.map { place($0.id) })
                for place in places where !kept.contains(place) { tidy(place, removeUnneeded) }
                return wanted
            }
            for image in wanted { ensure(image.id) }
        } catch {
            logger.error("images that are being fetched are not known", metadata: ["error": "\(error)"])
        }
    }

    /// What is wrong with one place keeps nobody from the others.
    private func tidy(_ place: LazyPlace, _ body: (LazyPlace) throws -> Void) {
        do {
            try body(place)
        } catch {
            logger.warning(
                "what an image's server left cannot be taken over",
                metadata: ["place": "\(place.directory)", "error": "\(error)"])
        }
    }

    private func isNeeded(_ place: LazyPlace) throws -> Bool {
        try !place.holders().isEmpty || place.server()?.isAlive == true
    }

    /// What was left when its last machine ended while nobody looked would be taken for that of a later fetch.
    private func removeUnneeded(_ place: LazyPlace) throws {
        try state.withLock { state in
            guard !state.servers.keys.contains(where: { self.place($0) == place }), try !isNeeded(place) else { return }
            try place.remove()
        }
    }

    /// Looks after no server any more; they go on.
    func shutDown() async {
        let tasks = state.withLock { state in
            state.isShuttingDown = true
            return state.servers.values.map(\.task)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }

    /// - Returns: opens when it serves.
    @discardableResult
    func ensure(_ image: String) -> Latch {
        state.withLock { state in
            if let server = state.servers[image] { return server.ready }
            guard !state.isShuttingDown else { return Latch() }
            let server = Server(task: Task { [self] in await look(after: image) })
            state.servers[image] = server
            return server.ready
        }
    }

    // MARK: Looking after one

    private func look(after image: String) async {
        let place = place(image)
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            do {
                if try await isDone(image, place) { return }
                let since = ContinuousClock.now
                try await serve(image, place)
                if ContinuousClock.now - since > .seconds(30) { pause = .milliseconds(100) }
                if try await !isServed(place), try await isDone(image, place) { return }
                logger.warning("an image's server has ended; it is started anew", metadata: ["image": "\(image)"])
            } catch is CancellationError {
                return
            } catch {
                logger.error(
                    "an image's server does not run; it is tried again",
                    metadata: ["image": "\(image)", "error": "\(error)"])
            }
            do { try await Task.sleep(for: pause) } catch { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private func isServed(_ place: LazyPlace) async throws -> Bool {
        try await RootDirectory.offload { try place.server()?.isAlive ?? false }
    }

    /// Whether nobody needs it: then it is forgotten.
    private func isDone(_ image: String, _ place: LazyPlace) async throws -> Bool {
        try await RootDirectory.offload { [self] in
            if try place.server()?.isAlive == true { return false }
            return try state.withLock { state in
                // Under the lock under which others come to need it.
                guard try store.resolve(image)?.isWhole ?? true, try place.holders().isEmpty else { return false }
                try place.remove()
                state.servers[image] = nil
                return true
            }
        }
    }

    /// Finds the server, or starts it; returns when it has ended.
    private func serve(_ image: String, _ place: LazyPlace) async throws {
        if try await !isServed(place) { try await start(image, place) }
        let channel = try await ClientBootstrap(group: group).connect(unixDomainSocketPath: place.socket).get()
        state.withLock { $0.servers[image]?.ready.open() }
        // Nothing is asked on this connection. It ends with the process.
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                channel.closeFuture.whenComplete { _ in continuation.resume() }
            }
        } onCancel: {
            channel.close(promise: nil)
        }
        state.withLock { state in
            if state.servers[image] != nil { state.servers[image]?.ready = Latch() }
        }
        try Task.checkCancellation()
    }

    /// Returns when it listens.
    private func start(_ image: String, _ place: LazyPlace) async throws {
        let log = try await RootDirectory.offload { () -> Int32 in
            try place.make()
            let descriptor = open(place.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw RootDirectory.failure("opening \(place.log)", errno) }
            return descriptor
        }
        defer { close(log) }
        var request = ProcessRequest(
            program, ["image-server", "--root", root, "--state", stateDirectory, "--image", image])
        if let logLevel { request.arguments += ["--log-level", logLevel] }
        request.descriptors = [-1, log, log]
        request.hasOwnSession = true
        request.directory = "/"
        let changes = try FileWatcher(directory: place.directory)
        let child = try await ChildProcess.start(request)
        let ended = Latch()
        Task {
            _ = await child.waitForEnd()
            ended.open()
        }
        let isListening = try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { [self] in
                if try await isServed(place) { return true }
                for await _ in changes where try await isServed(place) { return true }
                return false
            }
            group.addTask {
                _ = await ended.wait(atMost: .seconds(86_400))
                return false
            }
            defer { group.cancelAll() }
            return try await group.next() ?? false
        }
        try Task.checkCancellation()
        // It may have found another one that serves.
        let serves = try await isListening ? true : isServed(place)
        guard serves else {
            let words = try await RootDirectory.offload {
                HostFileKinds.tail(place.log).split(separator: "\n").suffix(2).joined(separator: "; ")
            }
            throw ShimError(
                .failed, "it ended before it served (\(child.end.map { "\($0)" } ?? "it does not answer")): \(words)")
        }
        logger.info(
            "an image is fetched while its machines run", metadata: ["image": "\(image)", "pid": "\(child.id)"])
    }
}
