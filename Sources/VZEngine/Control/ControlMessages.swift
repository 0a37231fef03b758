import FoundationEssentials
import NIOCore
import Processes

/// A terminal's size in characters.
public struct GuestTerminalSize: Codable, Sendable, Hashable {
    public var columns: Int
    public var rows: Int

    public init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
    }
}

/// A command to be run in a guest beside its main one.
public struct GuestExec: Codable, Sendable, Hashable {
    /// Exactly these arguments; the first is the program.
    public var command: [String]
    public var environment: [String: String]
    /// Absolute, in the guest; nil is that of the main command.
    public var workingDirectory: String?
    public var tty: Bool
    public var hasStdin: Bool
    /// The terminal's first size.
    public var size: GuestTerminalSize?
    /// After so many seconds it is killed, or given up when the guest was never reachable; 0 is no limit.
    public var timeoutSeconds: Int64

    public init(
        command: [String], environment: [String: String] = [:], workingDirectory: String? = nil, tty: Bool = false,
        hasStdin: Bool = false, size: GuestTerminalSize? = nil, timeoutSeconds: Int64 = 0
    ) {
        self.command = command
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.tty = tty
        self.hasStdin = hasStdin
        self.size = size
        self.timeoutSeconds = timeoutSeconds
    }
}

/// A wish to see what the main command writes, and to write to it.
public struct GuestAttach: Codable, Sendable, Hashable {
    public var hasStdin: Bool
    public var size: GuestTerminalSize?

    public init(hasStdin: Bool = false, size: GuestTerminalSize? = nil) {
        self.hasStdin = hasStdin
        self.size = size
    }
}

/// The first frame of every connection.
struct ControlRequest: Codable, Sendable, Hashable {
    enum Operation: String {
        case hello, watch, stop, reopenLog, exec, attach, forward
        case statistics, setMemory, pause, resume, save, screenshot
    }

    var version = ControlVersion.current
    /// An ``Operation``, as text: a newer client may ask for others.
    var operation: String
    var graceSeconds: Int64?
    var exec: GuestExec?
    var attach: GuestAttach?
    var port: Int?
    /// For `setMemory`.
    var bytes: Int64?
    /// Of a file that is to be made, absolute: for `save` and `screenshot`.
    var path: String?

    init(_ operation: Operation) { self.operation = operation.rawValue }
}

/// The supervisor's first frame; for `watch` also each further one.
struct ControlReply: Codable, Sendable, Hashable {
    var version = ControlVersion.current
    var machineID: String
    var supervisor: ProcessIdentity
    var status: MachineStatus?
    var statistics: MachineStatistics?
    var error: ControlFailure?
}

/// What all versions of a reply have.
struct ControlReplyVersion: Codable {
    var version: ControlVersion
}

/// An error on its way through the socket.
struct ControlFailure: Codable, Sendable, Hashable {
    var code: VZEngineError.Code
    var message: String

    init(_ error: any Error) {
        switch error {
        case let error as VZEngineError: (code, message) = (error.code, error.description)
        case is CancellationError: (code, message) = (.failed, "the machine is ending")
        default: (code, message) = (.failed, "\(error)")
        }
    }

    var error: VZEngineError { VZEngineError(code, message) }
}

/// JSON, as it stands in frames and in the bundle's files.
enum ControlJSON {
    static func encode(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    static func decode<Value: Decodable>(_ type: Value.Type, from bytes: some Sequence<UInt8>) throws -> Value {
        try JSONDecoder().decode(type, from: Data(bytes))
    }
}

extension ControlFrame {
    static func json(_ value: some Encodable, as kind: Kind = .message) throws -> ControlFrame {
        ControlFrame(kind, ByteBuffer(bytes: try ControlJSON.encode(value)))
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws(VZEngineError) -> Value {
        do {
            return try ControlJSON.decode(type, from: payload.readableBytesView)
        } catch {
            throw VZEngineError(.protocolVersion, "a message on a control socket cannot be read", cause: error)
        }
    }
}
