/// A program to run in a guest.
public struct GuestCommand: Sendable, Hashable {
    /// The program, looked up in the guest's `PATH` unless it holds a slash, and its arguments: exactly these, whatever they
    /// contain but NUL.
    public var arguments: [String]
    /// Added to what the guest's login gives.
    public var environment: [String: String]
    /// Where it runs; empty: the user's home directory.
    public var workingDirectory: String
    /// With a terminal of this size; nil: without one, standard error apart.
    public var terminal: TerminalSize?
    /// The terminal's kind, the command's `TERM` unless the environment says otherwise.
    public var terminalType: String
    /// Without input its standard input is at its end from the start.
    public var hasInput: Bool

    public init(
        _ arguments: [String], environment: [String: String] = [:], workingDirectory: String = "",
        terminal: TerminalSize? = nil, terminalType: String = "xterm", hasInput: Bool = false
    ) {
        self.arguments = arguments
        self.environment = environment
        self.workingDirectory = workingDirectory
        self.terminal = terminal
        self.terminalType = terminalType
        self.hasInput = hasInput
    }
}

/// A terminal's size in characters.
public struct TerminalSize: Sendable, Hashable {
    public var columns: Int
    public var rows: Int

    public init(columns: Int, rows: Int) {
        self.columns = columns
        self.rows = rows
    }
}

/// How a guest's process ended.
public enum GuestExit: Sendable, Hashable {
    case code(Int32)
    /// By a signal, named without `SIG`.
    case signal(String)

    /// The exit code a shell would report: 128 + n by signal n, with Linux's numbers; 255 for a signal it does not know.
    public var code: Int32 {
        switch self {
        case .code(let code): code
        case .signal(let name): Self.numbers[name].map { 128 + $0 } ?? 255
        }
    }

    private static let numbers: [String: Int32] = [
        "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "BUS": 7, "FPE": 8, "KILL": 9, "USR1": 10,
        "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "XCPU": 24, "XFSZ": 25, "SYS": 31,
    ]
}
