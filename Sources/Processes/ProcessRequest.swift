/// A process to be started.
public struct ProcessRequest: Sendable {
    /// A path, or a name that is looked for in `PATH` and in the directories of system programs.
    public var executable: String
    /// Without the program's own name.
    public var arguments: [String]
    /// nil is this process's own.
    public var environment: [String: String]?
    public var directory: String?
    /// Descriptors that become its 0, 1, 2 and further; -1 is /dev/null. It gets no others.
    public var descriptors: [Int32] = [-1, -1, -1]
    /// Signals to this process's group and the end of its terminal do not reach it.
    public var hasOwnSession = false
    /// It is killed when this process ends, however that happens. Linux; elsewhere without effect.
    public var diesWithParent = false
    /// The file of a network namespace it runs in. Linux.
    public var networkNamespace: String?

    public init(_ executable: String, _ arguments: [String] = []) {
        self.executable = executable
        self.arguments = arguments
    }
}

/// How a process ended.
public enum ProcessEnd: Sendable, Hashable, CustomStringConvertible {
    case exited(code: Int32)
    case signalled(Int32)

    public var isSuccess: Bool { self == .exited(code: 0) }

    public var description: String {
        switch self {
        case .exited(let code): "exit code \(code)"
        case .signalled(let number): "signal \(number)"
        }
    }
}
