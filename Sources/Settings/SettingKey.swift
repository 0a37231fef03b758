/// One thing that can be configured: its name in the file, the flag and the environment variable that say the same, and
/// what it is when nobody says anything.
public struct SettingKey: Sendable {
    /// What a value has to look like.
    public enum Kind: Sendable, Equatable {
        case text
        /// A file or directory. Relative ones count from where they are written: the working directory for a flag or a
        /// variable, the file's directory in the file. A leading `~/` is the user's home.
        case path
        case integer(ClosedRange<Int>)
        case boolean
        case choice([String])
        case list
        /// Seconds, from a number or a text such as `90s`, `5m` or `1h30m`.
        case seconds(ClosedRange<Int>)
        /// A list of mappings with these fields; in the file only, for a flag has no way to say that.
        case records([Field])
    }

    /// One field of a mapping in a list of ``Kind/records(_:)``.
    public struct Field: Sendable, Equatable {
        public var name: String
        /// Relative ones count from the file's directory.
        public var isPath: Bool
        public var isRequired: Bool
        /// Also a list of texts, which are one text with commas then.
        public var isList: Bool
        /// A truth value, which is the text `true` or `false` then.
        public var isFlag: Bool

        public init(
            _ name: String, isPath: Bool = false, isRequired: Bool = false, isList: Bool = false, isFlag: Bool = false
        ) {
            self.name = name
            self.isPath = isPath
            self.isRequired = isRequired
            self.isList = isList
            self.isFlag = isFlag
        }
    }

    /// As written in the file, without the section: `dockerHost`. `vm.cpus` is `cpus` in the mapping `vm`; keys of one
    /// mapping stand together in the table.
    public var name: String
    public var kind: Kind
    /// With its dashes: `--docker-host`. nil when there is no flag.
    public var flag: String?
    /// `DOCKER_HOST`. nil when there is no variable. An empty variable counts as absent.
    public var variable: String?
    /// Shown as asterisks, never in clear.
    public var isSecret: Bool
    /// nil where absence means something of its own.
    public var standard: SettingValue?

    public init(
        _ name: String, _ kind: Kind, flag: String? = nil, variable: String? = nil, isSecret: Bool = false,
        standard: SettingValue? = nil
    ) {
        self.name = name
        self.kind = kind
        self.flag = flag
        self.variable = variable
        self.isSecret = isSecret
        self.standard = standard
    }
}

/// A value that has been checked against its key's ``SettingKey/Kind``.
public enum SettingValue: Sendable, Hashable {
    case text(String)
    case integer(Int)
    case boolean(Bool)
    case list([String])
    /// Each mapping's fields that have a value.
    case records([[String: String]])
}

/// Who said so.
public enum SettingOrigin: Sendable, Hashable, CustomStringConvertible {
    case flag(String)
    case environment(String)
    case file(path: String, line: Int)
    case standard

    public var description: String {
        switch self {
        case .flag(let name): "flag \(name)"
        case .environment(let name): "environment \(name)"
        case .file(let path, let line): "\(path):\(line)"
        case .standard: "default"
        }
    }
}

/// The keys of one section of the file; one daemon reads one section.
public struct SettingsTable: Sendable {
    /// `shim` or `adapter`.
    public var section: String
    /// In the order they are printed.
    public var keys: [SettingKey]

    public init(section: String, keys: [SettingKey]) {
        self.section = section
        self.keys = keys
    }
}

extension SettingKey.Kind {
    /// Reads what a flag or a variable says.
    /// - Returns: nil when the text is nothing of this kind; ``wanted`` then says what it should have been.
    func value(of text: String) -> SettingValue? {
        switch self {
        case .text, .path: return text.isEmpty ? nil : .text(text)
        case .integer(let range): return Int(text).flatMap { range.contains($0) ? .integer($0) : nil }
        case .boolean:
            switch text.lowercased() {
            case "true", "1", "yes", "on": return .boolean(true)
            case "false", "0", "no", "off": return .boolean(false)
            default: return nil
            }
        case .choice(let known): return known.contains(text) ? .text(text) : nil
        case .list: return .list(text.split(separator: ",").map { String($0.trimmingSpaces()) })
        case .seconds(let range):
            return secondsMeant(by: text).flatMap { range.contains($0) ? .integer($0) : nil }
        case .records: return nil
        }
    }

    /// For messages: `… must be <wanted>`.
    var wanted: String {
        switch self {
        case .text: "a text"
        case .path: "a path"
        case .integer(let range): "a number from \(range.lowerBound) to \(range.upperBound)"
        case .boolean: "true or false"
        case .choice(let known): "one of \(known.joined(separator: ", "))"
        case .list: "a list of texts"
        case .seconds(let range):
            "a time from \(range.lowerBound)s to \(range.upperBound)s, such as 90s or 5m"
        case .records(let fields):
            "a list of mappings with the keys \(fields.map(\.name).joined(separator: ", "))"
        }
    }
}

/// `90`, `90s`, `1h30m`, `7d`; nil when it is no such text.
public func secondsMeant(by text: String) -> Int? {
    if let number = Int(text) { return number }
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
    var total = 0
    var digits = ""
    for character in text {
        if character.isASCII, character.isNumber {
            digits.append(character)
        } else {
            guard let unit = units[character], let number = Int(digits), number <= 1 << 30 else { return nil }
            total += number * unit
            digits = ""
        }
    }
    return digits.isEmpty && !text.isEmpty ? total : nil
}

extension StringProtocol {
    func trimmingSpaces() -> SubSequence {
        var rest = self[...]
        while rest.first == " " { rest = rest.dropFirst() }
        while rest.last == " " { rest = rest.dropLast() }
        return rest
    }
}
