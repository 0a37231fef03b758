/// Every key of a section with its value and who said so.
public struct ResolvedSettings: Sendable {
    public struct Entry: Sendable {
        public var key: SettingKey
        /// nil when nobody set it and there is no default.
        public var value: SettingValue?
        public var origin: SettingOrigin
    }

    public let section: String
    /// In the order of the table.
    public let entries: [Entry]

    public func text(_ name: String) -> String? {
        if case .text(let text) = self[name].value { text } else { nil }
    }

    public func integer(_ name: String) -> Int? {
        if case .integer(let number) = self[name].value { number } else { nil }
    }

    public func boolean(_ name: String) -> Bool {
        if case .boolean(let truth) = self[name].value { truth } else { false }
    }

    public func list(_ name: String) -> [String] {
        if case .list(let texts) = self[name].value { texts } else { [] }
    }

    public func records(_ name: String) -> [[String: String]] {
        if case .records(let records) = self[name].value { records } else { [] }
    }

    /// - Precondition: the table has a key of this name.
    public subscript(name: String) -> Entry {
        guard let entry = entries.first(where: { $0.key.name == name }) else {
            preconditionFailure("the table of section \(section) has no key \(name)")
        }
        return entry
    }

    /// A value of the right kind that still cannot be used. The message begins with who said it.
    public func invalid(_ name: String, _ why: String) -> SettingsError {
        let who =
            switch self[name].origin {
            case .flag(let flag): flag
            case .environment(let variable): variable
            case .file(let path, let line): "\(path):\(line): \(section).\(name)"
            case .standard: "\(section).\(name)"
            }
        return SettingsError(.invalidArgument, "\(who): \(why)")
    }

    /// What `--print-config` shows: a file that says the same, and behind each line who said so.
    public var report: String {
        let lines = entries.map { entry in
            let value =
                switch (entry.value, entry.key.isSecret) {
                case (nil, _): ""
                case (_, true): "\"********\""
                case (let value?, false): value.yaml
                }
            let name = entry.key.name.split(separator: ".", maxSplits: 1)
            let indent = name.count == 2 ? "    " : "  "
            return (
                group: name.count == 2 ? name[0] : "",
                text: "\(indent)\(name.last ?? ""):\(value.isEmpty ? "" : " ")\(value)", origin: "\(entry.origin)"
            )
        }
        let width = min(72, lines.map(\.text.count).max() ?? 0)
        var report = "\(section):\n"
        var group: Substring = ""
        for line in lines {
            if line.group != group, !line.group.isEmpty { report += "  \(line.group):\n" }
            group = line.group
            let padding = String(repeating: " ", count: max(0, width - line.text.count))
            report += "\(line.text)\(padding)  # \(line.origin)\n"
        }
        return report
    }
}

extension SettingValue {
    /// As it would stand in the file.
    fileprivate var yaml: String {
        switch self {
        case .text(let text): Self.scalar(text)
        case .integer(let number): "\(number)"
        case .boolean(let truth): "\(truth)"
        case .list(let texts): "[" + texts.map(Self.scalar).joined(separator: ", ") + "]"
        case .records(let records):
            "["
                + records.map { record in
                    "{"
                        + record.sorted { $0.key < $1.key }.map { "\($0.key): \(Self.scalar($0.value))" }
                        .joined(separator: ", ") + "}"
                }.joined(separator: ", ") + "]"
        }
    }

    private static func scalar(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"),
                UInt8(ascii: "_"), UInt8(ascii: ":"), UInt8(ascii: "@"):
                true
            default: false
            }
        }
        let first = text.utf8.first ?? 0
        let startsLikeAWord =
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(first | 0x20) || first == UInt8(ascii: "/")
        let reserved = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"].contains(text.lowercased())
        if plain, startsLikeAWord, !reserved, !text.hasSuffix(":") { return text }
        return text.debugDescription
    }
}
