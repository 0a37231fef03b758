/// What went wrong in the HostFiles room: a log file, volume or directory that cannot be handled.
public struct HostFilesError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case invalidArgument, unavailable, failed, noSpace, escapes }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        /// The file system is full, or its quota is used up.
        public static let noSpace = Code(kind: .noSpace)
        /// A path that leads out of the directory it was given for.
        public static let escapes = Code(kind: .escapes)
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
