/// What went wrong in the CRIShim room: a CRI request that cannot be fulfilled. `ShimError+Status.swift` says which gRPC
/// status each code becomes.
public struct ShimError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Kind: String {
            case invalidArgument, notFound, alreadyExists, wrongState, unsupported, exhausted, deadline, denied
            case unavailable, failed, corruptRecord, newerRecord
        }
        let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The object named does not exist.
        public static let notFound = Code(kind: .notFound)
        /// An object with that name exists.
        public static let alreadyExists = Code(kind: .alreadyExists)
        /// The object is in a state in which this cannot be done.
        public static let wrongState = Code(kind: .wrongState)
        /// A valid request that this runtime cannot fulfil.
        public static let unsupported = Code(kind: .unsupported)
        /// A limit was reached.
        public static let exhausted = Code(kind: .exhausted)
        /// The time given for it has passed.
        public static let deadline = Code(kind: .deadline)
        /// Somebody asked for credentials we do not have, or refused those we gave.
        public static let denied = Code(kind: .denied)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        /// A file or label that should describe an object does not.
        public static let corruptRecord = Code(kind: .corruptRecord)
        /// A file or label was written by a newer version of this program.
        public static let newerRecord = Code(kind: .newerRecord)
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
