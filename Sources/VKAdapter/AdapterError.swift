/// What went wrong in the VKAdapter room: a pod or node operation that failed.
public struct AdapterError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case invalidArgument, unavailable, failed, notFound, unimplemented, busy, timedOut, exhausted
        }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        /// What was asked for is not there.
        public static let notFound = Code(kind: .notFound)
        /// An earlier call is still at it, or has done it just now: look again soon.
        public static let busy = Code(kind: .busy)
        /// The other side cannot do this at all.
        public static let unimplemented = Code(kind: .unimplemented)
        /// The other side did not answer in time.
        public static let timedOut = Code(kind: .timedOut)
        /// There is no more of what it takes: it is free again when somebody else is done with it.
        public static let exhausted = Code(kind: .exhausted)
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
