/// What went wrong on the way to a guest, or in it.
public struct GuestSSHError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case invalidArgument, refused, unreachable, silent, timeout, authentication, hostKeyChanged, badKey
            case channel, notStarted, connectionLost, exhausted, closed
        }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// Nothing listens at the address, or the guest does not allow it.
        public static let refused = Code(kind: .refused)
        /// There is no way to the guest, or nobody there speaks SSH yet; a later try may succeed.
        public static let unreachable = Code(kind: .unreachable)
        /// Somebody accepted the connection and said nothing, as QEMU does for a guest that does not listen yet.
        public static let silent = Code(kind: .silent)
        /// No answer in time.
        public static let timeout = Code(kind: .timeout)
        /// The guest does not accept the user, the key or the password. Trying again changes nothing.
        public static let authentication = Code(kind: .authentication)
        /// The guest shows another host key than the one that was pinned.
        public static let hostKeyChanged = Code(kind: .hostKeyChanged)
        /// The private key file or password file cannot be used.
        public static let badKey = Code(kind: .badKey)
        /// The guest's SSH server refused or broke off one session or forward; the connection itself works.
        public static let channel = Code(kind: .channel)
        /// The guest ran no command: its shell, or the working directory, is not usable.
        public static let notStarted = Code(kind: .notStarted)
        /// The connection ended under what was going on.
        public static let connectionLost = Code(kind: .connectionLost)
        /// A limit of this side is reached.
        public static let exhausted = Code(kind: .exhausted)
        /// The link, process or connection was closed here.
        public static let closed = Code(kind: .closed)
        public var description: String { kind.rawValue }
    }

    public var code: Code
    /// What was attempted, on what, and what to do about it.
    public var message: String
    public var cause: (any Error)?
    /// Of a command that was to be run: the guest was not given it, so trying again cannot run it twice.
    public internal(set) var nothingHasRun = false

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    /// A later try may succeed without anything being changed.
    public var isTransient: Bool {
        [.refused, .unreachable, .silent, .timeout, .connectionLost].contains(code)
    }

    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}
