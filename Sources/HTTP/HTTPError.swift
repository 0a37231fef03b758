/// What went wrong in the HTTP room: a request, response or connection that failed.
public struct HTTPError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case invalidArgument, unavailable, failed, tooLarge, connectionLost, timedOut }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        /// More bytes than the reader takes.
        public static let tooLarge = Code(kind: .tooLarge)
        /// The connection ended before its time.
        public static let connectionLost = Code(kind: .connectionLost)
        /// The other side did not answer in time.
        public static let timedOut = Code(kind: .timedOut)
        public var description: String { kind.rawValue }
    }

    public var code: Code
    /// What was attempted, on what, and what to do about it.
    public var message: String
    public var cause: (any Error)?
    /// Whether a server met it in what a client sent: the client is told then.
    var isOfRequest = false

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}
