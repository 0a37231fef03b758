/// What went wrong with an image of a virtual machine, or with the store they are in.
public struct VMImageError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case invalidArgument, notFound, noSpace, badRecord, newerRecord, corrupt, failed }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// There is no such image or file.
        public static let notFound = Code(kind: .notFound)
        /// The file system is full, or would be.
        public static let noSpace = Code(kind: .noSpace)
        /// A file of the store is damaged.
        public static let badRecord = Code(kind: .badRecord)
        /// A file of the store was written by a newer version of this program.
        public static let newerRecord = Code(kind: .newerRecord)
        /// What a registry served is not what the image's manifest says, again and again.
        public static let corrupt = Code(kind: .corrupt)
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

    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
