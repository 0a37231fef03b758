/// What went wrong in the KubeAPI room: an object that cannot be read, or a cluster that cannot be asked or says no.
public struct KubeAPIError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String { case invalidArgument, unavailable, refused, failed }
        private let kind: Kind
        /// The caller passed something that can never work.
        public static let invalidArgument = Code(kind: .invalidArgument)
        /// The other side is not there now; a later try may succeed.
        public static let unavailable = Code(kind: .unavailable)
        /// The API server answered that it will not; ``KubeAPIError/status`` says why.
        public static let refused = Code(kind: .refused)
        /// The operation was tried and did not succeed.
        public static let failed = Code(kind: .failed)
        public var description: String { kind.rawValue }
    }

    public var code: Code
    /// What was attempted, on what, and what to do about it.
    public var message: String
    public var cause: (any Error)?
    /// The API server's own words, with ``Code/refused``.
    public var status: Status?
    /// When the server wants to be asked again.
    public var retryAfter: Duration?

    public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    public var description: String {
        cause.map { "\(message): \($0)" } ?? message
    }
}

extension KubeAPIError {
    /// The HTTP status of a refusal.
    var httpCode: Int32? { code == .refused ? status?.code : nil }

    /// There is no such object.
    public var isNotFound: Bool { httpCode == 404 }
    /// An object of that name is there already.
    public var isAlreadyThere: Bool { httpCode == 409 && status?.reason == "AlreadyExists" }
    /// The object is another by now, or not the one that was meant.
    public var isConflict: Bool { httpCode == 409 && !isAlreadyThere }
    /// Another object has that name by now: a patch that names its UID is refused as invalid, a deletion as a conflict.
    public var isOfAnother: Bool {
        isConflict || httpCode == 422 && status?.message.contains("metadata.uid: Invalid value") == true
    }
    /// What was seen last is too long ago to go on from: list again.
    public var isExpired: Bool { httpCode == 410 }
    /// We may not.
    public var isForbidden: Bool { httpCode == 403 }
    /// The server does not know who we are.
    public var isUnauthorized: Bool { httpCode == 401 }
    /// The server understood, and no other try will end differently.
    public var isPermanent: Bool {
        guard let httpCode else { return code == .invalidArgument }
        return (400..<500).contains(httpCode) && ![401, 408, 409, 410, 429].contains(httpCode)
    }
}
