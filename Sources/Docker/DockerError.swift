/// What went wrong in the Docker room: a Docker Engine call that failed.
public struct DockerError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case invalidArgument, unavailable, failed, notFound, conflict, notModified }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        /// There is no such object.
        public static let notFound = Code(kind: .notFound)
        /// The object's state does not allow it, or its name is taken.
        public static let conflict = Code(kind: .conflict)
        /// It is as asked for already.
        public static let notModified = Code(kind: .notModified)
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
