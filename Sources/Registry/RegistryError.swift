/// What went wrong between us and a registry.
public struct RegistryError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String {
            case invalidArgument, notFound, unauthorized, forbidden, unavailable, tooManyRequests, wrongContent
            case unsupported, failed
        }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The registry answered that it has no such thing.
        public static let notFound = Code(kind: .notFound)
        /// The registry wants credentials, or did not accept those it was shown.
        public static let unauthorized = Code(kind: .unauthorized)
        /// The registry knows who asks, and says no.
        public static let forbidden = Code(kind: .forbidden)
        /// The registry does not answer, stopped answering, or is in trouble: a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The registry asks to be left alone for a while, and several tries did not help.
        public static let tooManyRequests = Code(kind: .tooManyRequests)
        /// What came is not what was announced: another digest, another length, no manifest.
        public static let wrongContent = Code(kind: .wrongContent)
        /// The registry does not do this.
        public static let unsupported = Code(kind: .unsupported)
        /// The registry refused for another reason.
        public static let failed = Code(kind: .failed)
        public var description: String { kind.rawValue }
    }

    public var code: Code
    /// What was attempted, on what, and what to do about it.
    public var message: String
    public var cause: (any Error)?
    /// When the registry wants to be asked again.
    public var retryAfter: Duration?
    /// Nobody was there: no connection, or none that lived until an answer began.
    var isUnanswered = false

    /// What is thrown after the registry has answered, be it a redirect or that it wants credentials, is not its silence.
    static func afterAnAnswer<R>(_ body: () async throws -> R) async throws -> R {
        do {
            return try await body()
        } catch var error as RegistryError {
            error.isUnanswered = false
            throw error
        }
    }

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String { cause.map { "\(message): \($0)" } ?? message }

    /// Whether the same request may succeed a little later.
    public var isWorthRetrying: Bool { code == .unavailable || code == .tooManyRequests }
}
