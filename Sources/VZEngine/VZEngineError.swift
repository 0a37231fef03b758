/// What went wrong with a machine, its bundle or its supervisor.
public struct VZEngineError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, Codable {
        public let name: String
        private init(_ name: String) { self.name = name }

        /// The configuration can never work: it says what to change.
        public static let invalidArgument = Code("invalidArgument")
        /// The machine could not be started.
        public static let startFailed = Code("startFailed")
        /// A port of the pod is taken already.
        public static let portInUse = Code("portInUse")
        /// The guest is still booting: it was never reachable so far.
        public static let guestBooting = Code("guestBooting")
        /// The guest cannot be reached.
        public static let guestUnreachable = Code("guestUnreachable")
        /// The guest was lost before it was given the command: it can be asked again.
        public static let notBegun = Code("notBegun")
        /// It took longer than the caller allowed.
        public static let deadline = Code("deadline")
        /// The supervisor does not answer, or has ended.
        public static let supervisorLost = Code("supervisorLost")
        /// The supervisor speaks a version of the protocol that this program does not.
        public static let protocolVersion = Code("protocolVersion")
        /// No disk space, no memory.
        public static let exhausted = Code("exhausted")
        /// A record that is damaged or of a newer program.
        public static let badRecord = Code("badRecord")
        /// This machine, or this engine, cannot do that at all.
        public static let unsupported = Code("unsupported")
        public static let failed = Code("failed")

        public init(from decoder: any Decoder) throws { name = try decoder.singleValueContainer().decode(String.self) }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(name)
        }
    }

    public var code: Code
    public var message: String
    public var cause: (any Error)?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }
}
