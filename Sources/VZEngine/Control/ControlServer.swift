public import Logging
public import NIOCore
import NIOPosix
public import Processes
import Sockets
import Synchronization
import Waiting

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The supervisor's end of the control socket: only its own user and root are served.
public final class ControlServer: Sendable {
    private let service: any ControlService
    private let machineID: String
    private let supervisor: ProcessIdentity
    private let logger: Logger
    private let state = Mutex(State())

    private struct State {
        var server: BoundServer?
        var nextTask = 0
        var tasks: [Int: Task<Void, Never>] = [:]
        var isClosing = false
    }

    /// How long a client may take to say what it wants, and how often one that waits is told that somebody is here.
    private static let requestLimit = Duration.seconds(10)
    private static let aliveInterval = Duration.seconds(5)

    private init(_ service: any ControlService, _ machineID: String, _ supervisor: ProcessIdentity, _ logger: Logger) {
        self.service = service
        self.machineID = machineID
        self.supervisor = supervisor
        self.logger = logger
    }

    /// Binds the socket, mode 0600, and serves.
    /// - Throws: `SocketError`; `unavailable` when another supervisor serves this path.
    public static func start(
        socketPath: String, service: any ControlService, machineID: String, supervisor: ProcessIdentity,
        group: any EventLoopGroup, logger: Logger
    ) async throws -> ControlServer {
        let server = ControlServer(service, machineID, supervisor, logger)
        let bootstrap = ServerBootstrap(group: group)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { server.begin(try FrameConnection.install(on: channel)) }
            }
        let bound = try await bindServer(bootstrap, to: .unix(path: socketPath))
        server.state.withLock { $0.server = bound }
        return server
    }

    /// Accepts nobody more, gives the conversations `limit` to end by themselves, then ends them.
    public func close(within limit: Duration = .seconds(2)) async {
        let (server, tasks) = state.withLock { state in
            state.isClosing = true
            defer { state.server = nil }
            return (state.server, Array(state.tasks.values))
        }
        await server?.close()
        let overdue = Task {
            try await Task.sleep(for: limit)
            for task in tasks { task.cancel() }
        }
        for task in tasks { await task.value }
        overdue.cancel()
    }

    // MARK: Conversations

    private func begin(_ connection: FrameConnection) {
        let id = state.withLock { state -> Int? in
            guard !state.isClosing else { return nil }
            state.nextTask += 1
            let id = state.nextTask
            state.tasks[id] = Task { [self] in
                await converse(connection)
                connection.close()
                self.state.withLock { $0.tasks[id] = nil }
            }
            return id
        }
        guard let id else {
            connection.close()
            return
        }
        // A client that goes has no more wishes.
        connection.channel.closeFuture.whenComplete { [self] _ in
            state.withLock { $0.tasks[id] }?.cancel()
        }
    }

    private func converse(_ connection: FrameConnection) async {
        do {
            let peer = try await PeerCredentials.of(connection.channel)
            guard peer.userID == geteuid() || peer.userID == 0 else {
                logger.warning("a stranger was turned away", metadata: ["user": "\(peer.userID)"])
                return
            }
            let first = try await withDeadline(
                Self.requestLimit, or: VZEngineError(.deadline, "a client did not say what it wants")
            ) { try await connection.next() }
            guard let first else { return }
            do {
                try await serve(try first.decode(ControlRequest.self), connection)
            } catch let error as VZEngineError {
                try await connection.send(try .json(reply(error: error)))
            }
        } catch {
            // The client has gone, or never spoke our language: nobody is there to be told.
            logger.debug("a control connection ended", metadata: ["error": "\(error)"])
        }
    }

    private func serve(_ request: ControlRequest, _ connection: FrameConnection) async throws {
        guard let operation = ControlRequest.Operation(rawValue: request.operation) else {
            throw VZEngineError(
                .protocolVersion, "this supervisor (version \(ControlVersion.current)) knows no \(request.operation)")
        }
        switch operation {
        case .hello: try await connection.send(try .json(reply(status: service.status())))
        case .watch:
            for await status in service.statuses() { try await connection.send(try .json(reply(status: status))) }
        case .stop:
            try await failing {
                try await self.service.stop(graceSeconds: max(0, try Self.given(request.graceSeconds, "graceSeconds")))
            }
            try await connection.send(try .json(reply()))
        case .reopenLog:
            try await failing { try await self.service.reopenLog() }
            try await connection.send(try .json(reply()))
        case .exec:
            let exec = try Self.given(request.exec, "exec")
            try await session(connection) { try await self.service.exec(exec, $0) }
        case .attach:
            let attach = try Self.given(request.attach, "attach")
            try await session(connection) { try await self.service.attach(attach, $0) }
        case .forward:
            let port = try Self.given(request.port, "port")
            try await session(connection) { try await self.service.forward(port: port, $0) }
        case .statistics, .setMemory, .pause, .resume, .save, .screenshot:
            try await operate(operation, request, connection)
        }
    }

    /// What is done with the machine itself.
    private func operate(
        _ operation: ControlRequest.Operation, _ request: ControlRequest, _ connection: FrameConnection
    ) async throws {
        let service = service
        var reply = reply()
        reply.statistics = try await beingAlive(connection) {
            switch operation {
            case .statistics: return try await service.statistics()
            case .setMemory: try await service.setMemory(bytes: Self.given(request.bytes, "bytes"))
            case .pause: try await service.pause()
            case .resume: try await service.resume()
            case .save: try await service.save(to: Self.given(request.path, "path"))
            case .screenshot: try await service.screenshot(to: Self.given(request.path, "path"))
            case .hello, .watch, .stop, .reopenLog, .exec, .attach, .forward: break
            }
            return nil
        }
        try await connection.send(try .json(reply))
    }

    /// Runs `body`; meanwhile the client hears that somebody works on it.
    private func beingAlive<R: Sendable>(
        _ connection: FrameConnection, _ body: @escaping @Sendable () async throws -> R
    ) async throws -> R {
        try await withThrowingTaskGroup(of: R?.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.aliveInterval)
                    connection.sendSignOfLife()
                }
            }
            group.addTask {
                do { return try await body() } catch { throw Self.told(error) }
            }
            defer { group.cancelAll() }
            while let done = try await group.next() { if let done { return done } }
            throw CancellationError()
        }
    }

    /// Serves a session; until it is accepted the client hears that somebody works on it.
    private func session(
        _ connection: FrameConnection, _ body: @escaping @Sendable (ControlSession) async throws -> Void
    ) async throws {
        let session = ControlSession(connection, reply())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while true {
                    try await Task.sleep(for: Self.aliveInterval)
                    if session.isAccepted { return }
                    connection.sendSignOfLife()
                }
            }
            defer { group.cancelAll() }
            do {
                try await body(session)
            } catch {
                guard session.isAccepted else { throw Self.told(error) }
                try await session.fail(error)
            }
        }
    }

    private func failing(_ body: () async throws -> Void) async throws {
        do { try await body() } catch { throw Self.told(error) }
    }

    /// What a client is told of an error.
    private static func told(_ error: any Error) -> VZEngineError { ControlFailure(error).error }

    private static func given<Value>(_ value: Value?, _ name: String) throws -> Value {
        guard let value else { throw VZEngineError(.protocolVersion, "a request on the control socket has no \(name)") }
        return value
    }

    private func reply(status: MachineStatus? = nil, error: (any Error)? = nil) -> ControlReply {
        ControlReply(
            machineID: machineID, supervisor: supervisor, status: status, error: error.map { ControlFailure($0) })
    }
}
