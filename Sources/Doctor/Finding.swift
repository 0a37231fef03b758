/// What one check found out.
public struct Finding: Sendable, Hashable, Codable {
    public enum Level: String, Sendable, Codable, Comparable {
        case ok, warning, failure

        private var weight: Int {
            switch self {
            case .ok: 0
            case .warning: 1
            case .failure: 2
            }
        }

        public static func < (one: Level, other: Level) -> Bool { one.weight < other.weight }
    }

    /// The check's name.
    public var check: String
    public var level: Level
    /// What is so.
    public var what: String
    /// What to do about it: a command wherever there is one. nil when all is well.
    public var fix: String?

    public init(check: String, level: Level, what: String, fix: String? = nil) {
        self.check = check
        self.level = level
        self.what = what
        self.fix = fix
    }
}

/// A finding whose check is still to be named.
struct Verdict: Sendable, Hashable {
    var level: Finding.Level
    var what: String
    var fix: String?

    static func ok(_ what: String) -> Verdict { Verdict(level: .ok, what: what) }

    static func warning(_ what: String, fix: String) -> Verdict { Verdict(level: .warning, what: what, fix: fix) }

    static func failure(_ what: String, fix: String) -> Verdict { Verdict(level: .failure, what: what, fix: fix) }
}
