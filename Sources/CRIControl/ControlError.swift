/// What went wrong in the CRIControl room: a client command that failed.
public struct ControlError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case invalidArgument, notFound, ambiguous, unavailable, unsupported, failed }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// Nothing the runtime knows has this id or name.
        public static let notFound = Code(kind: .notFound)
        /// The id or name fits several; the message lists them.
        public static let ambiguous = Code(kind: .ambiguous)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The runtime does not offer this.
        public static let unsupported = Code(kind: .unsupported)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        public var description: String { kind.rawValue }
    }

    public var code: Code
    /// What was attempted, on what, and what to do about it.
    public var message: String
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}
