/// A process that could not be started, or did not do what it was started for.
public struct ProcessError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        private enum Kind { case notFound, notStarted, failed, deadline }
        private let kind: Kind
        /// There is no such program.
        public static let notFound = Code(kind: .notFound)
        /// The system did not start it.
        public static let notStarted = Code(kind: .notStarted)
        /// It ended with another status than 0.
        public static let failed = Code(kind: .failed)
        /// It took too long and was killed.
        public static let deadline = Code(kind: .deadline)
    }

    public var code: Code
    public var message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
