/// A gRPC status other than OK, as a handler throws it and a caller catches it.
public struct RPCError: Error, Sendable, CustomStringConvertible {
    /// The gRPC status codes (gRPC core, `statuscodes.md`).
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The number on the wire.
        public let rawValue: Int
        private init(_ rawValue: Int) { self.rawValue = rawValue }

        public static let cancelled = Code(1)
        public static let unknown = Code(2)
        public static let invalidArgument = Code(3)
        public static let deadlineExceeded = Code(4)
        public static let notFound = Code(5)
        public static let alreadyExists = Code(6)
        public static let permissionDenied = Code(7)
        public static let resourceExhausted = Code(8)
        public static let failedPrecondition = Code(9)
        public static let aborted = Code(10)
        public static let outOfRange = Code(11)
        public static let unimplemented = Code(12)
        public static let internalError = Code(13)
        public static let unavailable = Code(14)
        public static let dataLoss = Code(15)
        public static let unauthenticated = Code(16)

        /// The code for a number read from the wire; a number nobody defined is `unknown`, as in the reference
        /// implementations. `nil` for 0 (OK), which is no error.
        public init?(wireValue: Int) {
            if wireValue == 0 { return nil }
            self.init((1...16).contains(wireValue) ? wireValue : 2)
        }

        private static let names = [
            "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
            "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
            "UNIMPLEMENTED",
            "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
        ]
        public var description: String { Self.names[rawValue] }
    }

    public var code: Code
    /// What was attempted, on what, and what to do about it. Travels percent-encoded in `grpc-message`.
    public var message: String
    /// Trailing metadata sent or received with the status.
    public var metadata: Metadata
    /// Stays on this side of the wire.
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, metadata: Metadata = [:], cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.metadata = metadata
        self.cause = cause
    }

    public var description: String { "\(code): \(message)" }
}
