public import NIOCore
import Synchronization

/// What a supervisor does for those who connect to its control socket. Errors go to the client as they are.
public protocol ControlService: Sendable {
    /// How the machine is now.
    func status() -> MachineStatus
    /// How it is now, then every change; ends after ``MachinePhase/exited``.
    func statuses() -> AsyncStream<MachineStatus>
    /// Returns when the machine has ended.
    func stop(graceSeconds: Int64) async throws
    func reopenLog() async throws

    func statistics() async throws -> MachineStatistics
    func setMemory(bytes: Int64) async throws
    /// The machine stands still until ``resume()``.
    func pause() async throws
    func resume() async throws
    /// Writes a paused machine's state to a new file; it stays paused.
    func save(to path: String) async throws
    /// Writes what its display shows to a new PNG file.
    func screenshot(to path: String) async throws

    /// The three below serve one session to its end: they accept it or throw, and are cancelled when the client has gone.
    func exec(_ request: GuestExec, _ session: ControlSession) async throws
    func attach(_ request: GuestAttach, _ session: ControlSession) async throws
    func forward(port: Int, _ session: ControlSession) async throws
}

/// A supervisor need not be able to do everything.
extension ControlService {
    public func statistics() async throws -> MachineStatistics { MachineStatistics() }
    public func setMemory(bytes: Int64) async throws { throw Self.unable("change memory") }
    public func pause() async throws { throw Self.unable("pause") }
    public func resume() async throws { throw Self.unable("resume") }
    public func save(to path: String) async throws { throw Self.unable("save") }
    public func screenshot(to path: String) async throws { throw Self.unable("show displays") }

    private static func unable(_ what: String) -> VZEngineError {
        VZEngineError(.unsupported, "this supervisor cannot \(what)")
    }
}

/// What a client sends into a session.
public enum SessionInput: Sendable {
    case bytes(ByteBuffer)
    case end
    case resize(GuestTerminalSize)
}

/// The supervisor's side of a session.
public final class ControlSession: Sendable {
    private let connection: FrameConnection
    private let reply: ControlReply
    private let accepted = Atomic(false)

    init(_ connection: FrameConnection, _ reply: ControlReply) {
        self.connection = connection
        self.reply = reply
    }

    /// Tells the client that the session has begun. Once, before anything else is sent.
    public func accept() async throws {
        accepted.store(true, ordering: .releasing)
        try await connection.send(try .json(reply))
    }

    var isAccepted: Bool { accepted.load(ordering: .acquiring) }

    /// Suspends while the client does not read.
    public func send(output bytes: ByteBuffer) async throws { try await connection.send(.output, bytes) }
    public func send(errorOutput bytes: ByteBuffer) async throws { try await connection.send(.errorOutput, bytes) }
    /// A forwarded connection's guest side sends no more.
    public func endOutput() async throws { try await connection.send(ControlFrame(.outputEnd)) }

    /// The last word of a command.
    public func exit(code: Int32) async throws {
        try await connection.send(ControlFrame(.exited, ByteBuffer(integer: code)))
    }

    /// The last word of an accepted session that went wrong.
    public func fail(_ error: any Error) async throws {
        try await connection.send(try .json(ControlFailure(error), as: .failed))
    }

    /// What the client sends next; nil when it has gone. One reader.
    public func nextInput() async throws -> SessionInput? {
        while let frame = try await connection.next() {
            switch frame.kind {
            case .input: return .bytes(frame.payload)
            case .inputEnd: return .end
            case .resize:
                var payload = frame.payload
                guard let columns: UInt16 = payload.readInteger(), let rows: UInt16 = payload.readInteger() else {
                    continue
                }
                return .resize(GuestTerminalSize(columns: Int(columns), rows: Int(rows)))
            default: continue
            }
        }
        return nil
    }
}
