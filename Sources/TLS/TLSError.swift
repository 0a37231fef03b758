/// What went wrong in the TLS room: a certificate, key or handshake that does not hold.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case invalidArgument, unavailable, failed, handshakeFailed, certificateRejected, timedOut, truncated
        }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        /// The two sides could not agree on a connection.
        public static let handshakeFailed = Code(kind: .handshakeFailed)
        /// The certificate of the other side is missing, wrong or not allowed here.
        public static let certificateRejected = Code(kind: .certificateRejected)
        /// The handshake did not finish in time.
        public static let timedOut = Code(kind: .timedOut)
        /// The connection ended without the other side saying so: data may be missing.
        public static let truncated = Code(kind: .truncated)
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
