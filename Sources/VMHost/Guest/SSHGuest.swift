import GuestSSH
import HostFiles
import Logging
import NIOCore
import NIOPosix
import Synchronization
import VZEngine

/// A guest over SSH.
final class SSHGuest: Guest {
    private let link: GuestLink
    /// Held so that they go on.
    private let listeners = Mutex<[GuestListener]>([])

    /// Dials nobody yet.
    /// - Throws: `VZEngineError` when the host key that was pinned cannot be read.
    init(
        _ config: MachineConfig, at address: GuestAddress, in bundle: MachineBundle,
        standstill: Standstill = Standstill(), logger: Logger
    ) throws {
        let pinFile = bundle.hostKey
        let credentials = config.credentials
        var configuration = GuestSSHConfiguration(
            host: address.host, port: address.port, user: credentials.user, keyFile: credentials.keyFile,
            passwordFile: credentials.passwordFile, hostKeyPin: try Records.hostKey(of: bundle))
        configuration.standsStill = { standstill.isOn }
        configuration.passphraseFile = credentials.passphraseFile
        configuration.keyExchanges = config.keyExchanges ?? []
        if let limit = config.dialTimeout.map({ Duration.seconds($0) }) {
            configuration.connectTimeout = limit
            configuration.keyExchangeTimeout = max(limit, configuration.keyExchangeTimeout)
        }
        link = GuestLink(
            configuration,
            onHostKey: { key in
                try await NIOThreadPool.singleton.runIfActive {
                    try AtomicFile.write(Array((key + "\n").utf8), to: pinFile, mode: 0o600)
                }
            }, logger: logger)
    }

    func run(_ request: GuestProgramRequest) async throws -> any GuestProgram {
        let command = GuestCommand(
            request.arguments, environment: request.environment, workingDirectory: request.workingDirectory,
            terminal: request.terminal.map { TerminalSize($0) }, hasInput: request.hasInput)
        return try await VZEngineError.ofGuest {
            SSHProgram(try await link.run(command, isAlone: request.isAlone), link)
        }
    }

    func connect(host: String, port: Int) async throws -> any GuestStream {
        do {
            return SSHStreamOfGuest(try await link.connect(toGuestPort: port, host: host))
        } catch let error as GuestSSHError where error.code == .refused {
            throw VZEngineError(.failed, "nothing listens on \(host):\(port) in the guest", cause: error)
        } catch let error as GuestSSHError {
            throw VZEngineError(guest: error)
        }
    }

    func listen(port: Int, _ handler: @escaping @Sendable (any GuestStream) async -> Void) async throws {
        let listener = try await VZEngineError.ofGuest {
            try await link.listen(onGuestPort: port) { await handler(SSHStreamOfGuest($0)) }
        }
        listeners.withLock { $0.append(listener) }
    }

    func disconnect() async { await link.disconnect() }

    func close() async { await link.close() }
}

/// A program at the other end of an SSH session.
private final class SSHProgram: GuestProgram {
    private let process: GuestProcess
    private let link: GuestLink
    private let isOver = Atomic(false)

    init(_ process: GuestProcess, _ link: GuestLink) {
        self.process = process
        self.link = link
    }

    func next() async throws -> GuestProgramEvent? {
        if isOver.load(ordering: .relaxed) { return nil }
        return try await VZEngineError.ofGuest {
            var iterator = process.output.makeAsyncIterator()
            switch try await iterator.next() {
            case .output(let bytes): return .output(bytes)
            case .errorOutput(let bytes): return .errorOutput(bytes)
            case .exited(let exit):
                isOver.store(true, ordering: .relaxed)
                return .exited(code: exit.code)
            case nil: return nil
            }
        }
    }

    func write(_ bytes: ByteBuffer) async throws {
        try await VZEngineError.ofGuest {
            do {
                try await process.write(bytes)
            } catch let error as GuestSSHError where error.code == .closed {
                // Not the guest is gone but the command, and with which exit code is yet to be read.
                throw VZEngineError(.failed, error.message, cause: error)
            }
        }
    }

    func closeInput() async throws { try await VZEngineError.ofGuest { try await process.closeInput() } }

    func resize(_ size: GuestTerminalSize) async throws { process.resize(TerminalSize(size)) }

    /// The whole process group where the SSH server makes one for each session; else what the first process started, or
    /// that itself. Shells differ in what they take for a group.
    private static let signalScript = """
        kill "-$1" "-$2" 2>/dev/null && exit 0
        found=
        for file in /proc/[0-9]*/stat; do
            { read -r line <"$file"; } 2>/dev/null || continue
            rest=${line##*) }
            rest=${rest#* }
            [ "${rest%% *}" = "$2" ] && kill -s "$1" "${line%% *}" && found=1
        done
        [ -n "$found" ] || kill -s "$1" "$2"
        """

    func signal(_ name: String) async throws {
        try await VZEngineError.ofGuest {
            let signalling = try await link.run(
                GuestCommand(["/bin/sh", "-c", Self.signalScript, "vzcri-signal", name, String(process.id)]))
            signalling.discardOutput()
            let exit = try await signalling.wait()
            guard exit == .code(0) else {
                throw VZEngineError(.failed, "\(name) could not be sent to process \(process.id) in the guest")
            }
        }
    }

    func kill() async { await process.kill() }
}

/// A connection through SSH.
private struct SSHStreamOfGuest: GuestStream {
    private let connection: GuestConnection

    init(_ connection: GuestConnection) { self.connection = connection }

    func next() async throws -> ByteBuffer? {
        try await VZEngineError.ofGuest {
            var iterator = connection.inbound.makeAsyncIterator()
            return try await iterator.next()
        }
    }

    func write(_ bytes: ByteBuffer) async throws {
        try await VZEngineError.ofGuest { try await connection.write(bytes) }
    }

    func closeOutput() async throws { connection.closeOutput() }

    func close() async { connection.close() }
}

extension TerminalSize {
    fileprivate init(_ size: GuestTerminalSize) { self.init(columns: size.columns, rows: size.rows) }
}

extension VZEngineError {
    /// What an error of the SSH room means for the machine.
    init(guest error: GuestSSHError) {
        let code: Code =
            switch error.code {
            case .hostKeyChanged, .badKey, .invalidArgument: .invalidArgument
            case .channel, .notStarted: .failed
            case .exhausted: .exhausted
            default: error.nothingHasRun ? .notBegun : .guestUnreachable
            }
        self.init(code, error.message, cause: error.cause)
    }

    fileprivate static func ofGuest<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch let error as GuestSSHError where error.code == .authentication {
            throw GuestRefusal(description: error.description)
        } catch let error as GuestSSHError {
            throw VZEngineError(guest: error)
        }
    }
}
