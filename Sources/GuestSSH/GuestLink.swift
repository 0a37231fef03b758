public import Logging
import NIOCore
import Waiting

/// The way into a guest over SSH: one or more connections, made when needed and made again after a loss.
///
/// Nothing is tried again by itself that may have had an effect in the guest.
public final class GuestLink: Sendable {
    let pool: LinkPool
    let logger: Logger

    /// - Parameter onHostKey: called once, before anybody logs in, when no host key is pinned: with the guest's key, to be
    ///   kept. What it throws ends the attempt.
    public init(
        _ configuration: GuestSSHConfiguration, onHostKey: @escaping @Sendable (String) async throws -> Void,
        logger: Logger
    ) {
        self.logger = logger
        pool = LinkPool(configuration, onHostKey: onHostKey, logger: logger)
    }

    /// Whether the guest can be reached and lets us in, by a connection that then stays.
    ///
    /// - Throws: `GuestSSHError`; ``GuestSSHError/isTransient`` says whether to ask again.
    public func probe(timeout: Duration) async throws {
        let peer = pool.configuration.peer
        try await withDeadline(timeout, or: GuestSSHError(.timeout, "\(peer) did not let us in within \(timeout)")) {
            [pool] in
            try await pool.acquire(.sessions, isUrgent: true).release()
        }
    }

    /// Probes until the guest lets us in.
    ///
    /// - Throws: `GuestSSHError` at once when asking again is no use (wrong key, changed host), else the last one after
    ///   `limit`.
    public func waitUntilReachable(within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        var last: GuestSSHError?
        while true {
            let left = end - .now
            do {
                return try await probe(timeout: max(left, .milliseconds(1)))
            } catch let error as GuestSSHError where error.isTransient {
                // A last try that had no time says less than the one before.
                if ContinuousClock.now + .milliseconds(50) >= end { throw last ?? error }
                last = error
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Starts a command.
    ///
    /// - Parameter isAlone: on a connection of its own. A server may end a connection for what another session on it does
    ///   (Dropbear does); a command that must not end so has none beside it.
    /// - Throws: `GuestSSHError` with `notStarted` when the guest's shell or the directory is not usable; a program that
    ///   does not exist is an exit code (127), as in a shell. When the task is cancelled nothing is left running
    ///   in the end.
    public func run(_ command: GuestCommand, isAlone: Bool = false) async throws -> GuestProcess {
        try await Self.start(command, pool, isUrgent: false, isAlone: isAlone)
    }

    /// Connects to a port as seen from the guest.
    ///
    /// - Throws: `GuestSSHError` with `refused` when nobody listens there.
    public func connect(toGuestPort port: Int, host: String = "127.0.0.1") async throws -> GuestConnection {
        GuestConnection(try await pool.open(.tcp(host: host, port: port)))
    }

    /// Ends all connections there are, and with them what runs over them. New ones are made when they are needed.
    public func disconnect() async { pool.disconnect() }

    /// Ends all connections for good, and with them what runs over them. Again: nothing.
    public func close() async { pool.close() }

    /// Dropbear (2022.83, for one) closes a session that was opened and not used yet when the process of another one ends.
    private static let maximumTries = 8

    static func start(
        _ command: GuestCommand, _ pool: LinkPool, isUrgent: Bool, isAlone: Bool = false
    ) async throws -> GuestProcess {
        let bootstrap = try Bootstrap(command, nonce: String(UInt64.random(in: 0...UInt64.max), radix: 36))
        var tries = 1
        while true {
            let stream: SSHStream
            do {
                stream = try await pool.open(.session, isUrgent: isUrgent, isAlone: isAlone)
            } catch var error as GuestSSHError {
                error.nothingHasRun = true
                throw error
            }
            do {
                return try await start(command, bootstrap, on: stream, pool)
            } catch let unused as UnusedSession {
                guard tries < maximumTries else { throw unused.error }
                tries += 1
            }
        }
    }

    /// The server closed a session before it agreed to run anything there. The script was not sent: nothing has run.
    private struct UnusedSession: Error { let error: GuestSSHError }

    private static func start(
        _ command: GuestCommand, _ bootstrap: Bootstrap, on stream: SSHStream, _ pool: LinkPool
    ) async throws -> GuestProcess {
        let started = Pending<GuestProcess>()
        let peer = pool.configuration.peer
        Task {
            let result: Result<GuestProcess, any Error>
            do {
                let process = try await withDeadline(
                    pool.configuration.openTimeout,
                    or: GuestSSHError(.timeout, "\(peer) did not start \(command.arguments[0]) in time")
                ) { try await begin(command, bootstrap, stream, pool) }
                result = .success(process)
            } catch {
                stream.close()
                result = .failure(error)
            }
            // When nobody takes the process any more it is dropped, and killed by that.
            started.finish(result)
        }
        do {
            return try await started.value()
        } catch is CancellationError {
            // A shell that has not read the whole script yet does nothing with the part.
            stream.post(.end)
            throw CancellationError()
        }
    }

    private static func begin(
        _ command: GuestCommand, _ bootstrap: Bootstrap, _ stream: SSHStream, _ pool: LinkPool
    ) async throws -> GuestProcess {
        var isAccepted = false
        do {
            if let size = command.terminal {
                try await stream.perform {
                    .terminal(type: command.terminalType, modes: Bootstrap.terminalModes, size, $0)
                }
            }
            try await stream.perform { .execute(Bootstrap.loginCommand, $0) }
            isAccepted = true
            try await stream.perform { .write(ByteBuffer(string: bootstrap.script), $0) }
        } catch let error as GuestSSHError where error.code == .closed {
            // It ended before it had read the script: what it said says why.
        }
        if !command.hasInput, command.terminal == nil { stream.post(.end) }
        var preamble = Preamble(marker: bootstrap.marker, hasErrorOutput: command.terminal == nil)
        while !preamble.isComplete {
            switch try await stream.arrivals.next() {
            case .output(let bytes): preamble.take(output: bytes)
            case .errorOutput(let bytes): preamble.take(errors: bytes)
            case nil:
                let exit = try? await stream.exit.value()
                let code = exit.map { " (exit code \($0.code))" } ?? ""
                var error = GuestSSHError(
                    .notStarted,
                    "\(pool.configuration.peer) did not start \(command.arguments[0])\(code): \(preamble.complaint)")
                error.nothingHasRun = !isAccepted
                if !isAccepted { throw UnusedSession(error: error) }
                throw error
            }
            if preamble.isTooLong {
                throw GuestSSHError(
                    .notStarted,
                    "the login shell of \(pool.configuration.peer) prints without end before it runs anything")
            }
        }
        let rest = preamble.rest
        var first: [GuestProcess.Event] = []
        if rest.output.readableBytes > 0 { first.append(.output(rest.output)) }
        if rest.errors.readableBytes > 0 { first.append(.errorOutput(rest.errors)) }
        return GuestProcess(
            id: preamble.processID ?? 0, stream: stream, pool: pool, hasTerminal: command.terminal != nil, first: first)
    }
}
