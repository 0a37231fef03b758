public import Logging
public import NIOCore
import NIOPosix
import Sockets
import Waiting

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The shim's end of a machine's control socket. Holds no connection between calls.
///
/// Every call throws `VZEngineError`: `supervisorLost` when nobody answers, `protocolVersion` when a stranger does.
public final class MachineClient: Sendable {
    private let socketPath: String
    private let group: any EventLoopGroup
    private let logger: Logger

    /// How long a supervisor may take to accept a connection, and then to say anything.
    private static let connectLimit = TimeAmount.seconds(5)
    private static let answerLimit = Duration.seconds(30)
    /// What the end of a machine may take beyond the grace it was given.
    private static let endLimit = Duration.seconds(90)

    public init(socketPath: String, group: any EventLoopGroup, logger: Logger) {
        self.socketPath = socketPath
        self.group = group
        self.logger = logger
    }

    /// Who is there, and how the machine is.
    public func hello() async throws -> MachineHello {
        let (connection, reply) = try await ask(ControlRequest(.hello))
        connection.close()
        guard let status = reply.status else { throw Self.damaged("hello") }
        return MachineHello(
            version: reply.version, machineID: reply.machineID, supervisor: reply.supervisor, status: status)
    }

    /// How the machine is, and then every change of that. Ends when the supervisor does.
    public func watch() async throws -> AsyncThrowingStream<MachineStatus, any Error> {
        let (connection, reply) = try await ask(ControlRequest(.watch))
        guard let status = reply.status else { throw Self.damaged("watch") }
        let (stream, continuation) = AsyncThrowingStream.makeStream(of: MachineStatus.self)
        continuation.yield(status)
        let reading = Task {
            do {
                while let frame = try await connection.next() {
                    guard frame.kind == .message else { continue }
                    let update = try frame.decode(ControlReply.self)
                    if let status = update.status { continuation.yield(status) }
                }
                continuation.finish()
            } catch let error as IOError where error.errnoCode == ECONNRESET {
                // Killed.
                continuation.finish()
            } catch {
                continuation.finish(throwing: error)
            }
            connection.close()
        }
        continuation.onTermination = { _ in
            reading.cancel()
            connection.close()
        }
        return stream
    }

    /// Ends the machine: kindly, and after `graceSeconds` by switching it off. Returns when it has ended. Asked again with
    /// less grace, it hurries.
    public func stop(graceSeconds: Int64) async throws {
        var request = ControlRequest(.stop)
        request.graceSeconds = graceSeconds
        let limit = Duration.seconds(graceSeconds) + Self.endLimit
        do {
            let (connection, _) = try await ask(request, answerLimit: limit)
            connection.close()
        } catch is Unanswered {
            // The supervisor took the request and is gone: so is its machine.
            logger.debug("a supervisor ended while it was asked to stop", metadata: ["socket": "\(socketPath)"])
        }
    }

    /// Goes on in a new log file, because the old one was renamed.
    public func reopenLog() async throws { try await ask(ControlRequest(.reopenLog)).0.close() }

    /// Runs a command in the guest. Returns when it was started.
    /// - Throws: also `guestBooting`, `guestUnreachable`, `deadline`.
    public func exec(_ exec: GuestExec) async throws -> MachineSession {
        var request = ControlRequest(.exec)
        request.exec = exec
        return MachineSession(try await ask(request).0)
    }

    /// Follows the main command; the console of a guest that is its own container.
    public func attach(_ attach: GuestAttach) async throws -> MachineSession {
        var request = ControlRequest(.attach)
        request.attach = attach
        return MachineSession(try await ask(request).0)
    }

    /// Connects to a TCP port of the guest's localhost. Only `output` comes of its session.
    public func forward(port: Int) async throws -> MachineSession {
        var request = ControlRequest(.forward)
        request.port = port
        return MachineSession(try await ask(request).0)
    }

    // MARK: The machine itself

    /// What the machine knows of itself; nothing, from a supervisor that is older than that.
    /// - Parameter limit: a machine that stands still may take no longer to say nothing.
    public func statistics(within limit: Duration = .seconds(10)) async throws -> MachineStatistics {
        let late = VZEngineError(.deadline, "the supervisor at \(socketPath) told no statistics within \(limit)")
        return try await withDeadline(limit, or: late) { [self] in
            let (connection, reply) = try await ask(ControlRequest(.statistics))
            connection.close()
            return reply.statistics ?? MachineStatistics()
        }
    }

    /// Asks the guest to make do with so much memory. Returns when it was asked.
    /// - Throws: also `unsupported`, `invalidArgument`.
    public func setMemory(bytes: Int64) async throws {
        var request = ControlRequest(.setMemory)
        request.bytes = bytes
        try await ask(request).0.close()
    }

    /// The machine stands still until ``resume()``, whatever becomes of the caller.
    public func pause() async throws { try await ask(ControlRequest(.pause)).0.close() }

    public func resume() async throws { try await ask(ControlRequest(.resume)).0.close() }

    /// Writes all of a paused machine's state but its disks to a new file.
    /// - Throws: also `unsupported`, `exhausted`.
    public func save(to path: String) async throws {
        var request = ControlRequest(.save)
        request.path = path
        try await ask(request).0.close()
    }

    /// Writes what the machine's display shows to a new PNG file.
    /// - Throws: also `unsupported`: it has none.
    public func screenshot(to path: String) async throws {
        var request = ControlRequest(.screenshot)
        request.path = path
        try await ask(request).0.close()
    }

    // MARK: Asking

    /// The request was sent, and the connection ended without an answer.
    private struct Unanswered: Error {}

    @discardableResult
    private func ask(
        _ request: ControlRequest, answerLimit: Duration = MachineClient.answerLimit
    ) async throws -> (FrameConnection, ControlReply) {
        let connection = try await connect()
        do {
            let reply = try await answer(to: request, on: connection, within: answerLimit)
            return (connection, reply)
        } catch {
            connection.close()
            if error is Unanswered, request.operation != ControlRequest.Operation.stop.rawValue {
                throw lost("it ended the connection without an answer")
            }
            throw error
        }
    }

    private func answer(
        to request: ControlRequest, on connection: FrameConnection, within limit: Duration
    ) async throws -> ControlReply {
        let silent = lost("it gave no sign of life for \(limit)")
        do {
            try await withDeadline(limit, or: silent) { try await connection.send(try .json(request)) }
            // Each sign of life begins the wait anew.
            while let frame = try await withDeadline(limit, or: silent, { try await connection.next() }) {
                guard frame.kind == .message else { continue }
                let version = try frame.decode(ControlReplyVersion.self).version
                guard ControlVersion.current.canDrive(version) else {
                    throw VZEngineError(
                        .protocolVersion,
                        "the supervisor at \(socketPath) speaks version \(version), this program \(ControlVersion.current): "
                            + "end that machine with the program that started it")
                }
                let reply = try frame.decode(ControlReply.self)
                if let failure = reply.error { throw failure.error }
                return reply
            }
        } catch is ChannelError {
            throw Unanswered()
        } catch is IOError {
            throw Unanswered()
        }
        throw Unanswered()
    }

    private func connect() async throws -> FrameConnection {
        let connection: FrameConnection
        do {
            connection = try await ClientBootstrap(group: group)
                .connectTimeout(Self.connectLimit)
                .channelOption(.autoRead, value: false)
                .connect(unixDomainSocketPath: socketPath) { channel in
                    channel.eventLoop.makeCompletedFuture { try FrameConnection.install(on: channel) }
                }
        } catch {
            throw lost("it cannot be reached", error)
        }
        do {
            let peer = try await PeerCredentials.of(connection.channel)
            guard peer.userID == geteuid() || peer.userID == 0 else {
                throw VZEngineError(
                    .supervisorLost, "\(socketPath) is served by user \(peer.userID): not by a supervisor of ours")
            }
        } catch let error as VZEngineError {
            connection.close()
            throw error
        } catch {
            connection.close()
            throw lost("the connection broke", error)
        }
        return connection
    }

    private func lost(_ why: String, _ cause: (any Error)? = nil) -> VZEngineError {
        VZEngineError(.supervisorLost, "the supervisor at \(socketPath) is lost: \(why)", cause: cause)
    }

    private static func damaged(_ operation: String) -> VZEngineError {
        VZEngineError(.protocolVersion, "the supervisor's answer to \(operation) says nothing of its machine")
    }
}
