import Yams

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The one YAML file, read and checked: sections and keys that exist, values of the right kind, each with its line.
public struct ConfigurationFile: Sendable {
    struct Entry: Sendable {
        var value: SettingValue
        var line: Int
    }

    /// As it was named; messages begin with it.
    public let path: String
    /// By section, then key. A key without a value is not here.
    let entries: [String: [String: Entry]]

    /// Nobody's configuration is longer.
    static let sizeLimit = 1 << 20

    /// - Parameter tables: every section the file may have, not just the reader's: a typing error in the other daemon's
    ///   section is found too.
    public init(readingFrom path: String, tables: [SettingsTable]) throws(SettingsError) {
        try self.init(path: path, text: Self.contents(of: path), tables: tables)
    }

    init(path: String, text: String, tables: [SettingsTable]) throws(SettingsError) {
        self.path = path
        var entries: [String: [String: Entry]] = [:]
        if let root = try Self.compose(text, path: path), !root.isNull {
            guard case .mapping(let sections) = root else {
                throw Self.error(path, root, "must be a mapping with the sections \(tables.map(\.section).quotedList)")
            }
            for (name, section) in sections {
                let known = tables.map(\.section)
                guard let table = tables.first(where: { $0.section == name.string }) else {
                    throw Self.error(path, name, unknown("section", name, among: known))
                }
                entries[table.section] = try Self.values(in: section, of: table, path: path)
            }
        }
        self.entries = entries
    }

    private static func values(
        in node: Node, of table: SettingsTable, path: String
    ) throws(SettingsError) -> [String: Entry] {
        if node.isNull { return [:] }
        guard case .mapping(let pairs) = node else {
            throw error(path, node, "\"\(table.section)\" must be a mapping of keys to values")
        }
        return try values(of: pairs, below: "", of: table, path: path)
    }

    /// - Parameter group: what comes before the keys' names here: `vm.` inside the mapping `vm`.
    private static func values(
        of pairs: Node.Mapping, below group: String, of table: SettingsTable, path: String
    ) throws(SettingsError) -> [String: Entry] {
        var entries: [String: Entry] = [:]
        let known = table.keys.map(\.name).filter { $0.hasPrefix(group) }.map { $0.dropFirst(group.count) }
        for (name, node) in pairs {
            let inner = group + (name.string ?? "") + "."
            if group.isEmpty, table.keys.contains(where: { $0.name.hasPrefix(inner) }) {
                if node.isNull { continue }
                guard case .mapping(let pairs) = node else {
                    throw error(path, node, "\(table.section).\(inner.dropLast()) must be a mapping of keys to values")
                }
                entries.merge(try values(of: pairs, below: inner, of: table, path: path)) { $1 }
                continue
            }
            guard let key = table.keys.first(where: { $0.name == group + (name.string ?? "") }),
                !key.name.dropFirst(group.count).contains(".")
            else {
                let place = group.isEmpty ? table.section : "\(table.section).\(group.dropLast())"
                throw error(
                    path, name, unknown("key", name, in: place, among: known.map { String($0.prefix { $0 != "." }) }))
            }
            if node.isNull { continue }
            if case .records(let fields) = key.kind {
                let records = try ConfigurationRecords(path: path, name: "\(table.section).\(key.name)", fields: fields)
                    .values(of: node)
                entries[key.name] = Entry(value: .records(records), line: name.mark?.line ?? node.mark?.line ?? 1)
                continue
            }
            guard let value = key.kind.value(of: node) else {
                throw error(
                    path, node,
                    "\(table.section).\(key.name) must be \(key.kind.wanted)\(key.isSecret ? "" : node.found)")
            }
            entries[key.name] = Entry(value: value, line: name.mark?.line ?? node.mark?.line ?? 1)
        }
        return entries
    }

    private static func compose(_ text: String, path: String) throws(SettingsError) -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            throw SettingsError(.invalidArgument, "\(path)\(error.place): \(error.oneLine)")
        } catch {
            throw SettingsError(.invalidArgument, "\(path): no readable YAML: \(error)")
        }
    }

    static func error(_ path: String, _ node: Node, _ text: String) -> SettingsError {
        SettingsError(.invalidArgument, "\(path)\(node.mark.map { ":\($0.line)" } ?? ""): \(text)")
    }

    private static func contents(of path: String) throws(SettingsError) -> String {
        func failure(_ why: String) -> SettingsError {
            SettingsError(.invalidArgument, "cannot read the configuration file \(path): \(why)")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(String(cString: strerror(errno))) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while bytes.count <= sizeLimit {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(String(cString: strerror(errno))) }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        guard bytes.count <= sizeLimit else { throw failure("it is longer than \(sizeLimit) bytes") }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw failure("it is not UTF-8 text") }
        return text
    }
}

func unknown(_ what: String, _ name: Node, in section: String? = nil, among known: [String]) -> String {
    let text = name.string ?? "(no text)"
    let place = section.map { " in section \"\($0)\"" } ?? ""
    let advice =
        nearest(to: text, among: known).map { "did you mean \"\($0)\"?" } ?? "known: \(known.joined(separator: ", "))"
    return "unknown \(what) \"\(text)\"\(place); \(advice)"
}

extension SettingKey.Kind {
    fileprivate func value(of node: Node) -> SettingValue? {
        switch (self, node) {
        case (.list, .sequence(let items)):
            var texts: [String] = []
            for item in items {
                guard let text = item.plainText else { return nil }
                texts.append(text)
            }
            return .list(texts)
        case (.list, .scalar): return node.plainText.map { .list([$0]) }
        case (.text, .scalar), (.path, .scalar), (.choice, .scalar): return node.plainText.flatMap(value(of:))
        case (.integer(let range), .scalar):
            return node.int.flatMap { range.contains($0) ? .integer($0) : nil }
        case (.seconds(let range), .scalar):
            if let number = node.int { return range.contains(number) ? .integer(number) : nil }
            return node.plainText.flatMap(value(of:))
        case (.boolean, .scalar): return node.bool.map { .boolean($0) }
        default: return nil
        }
    }
}

extension Node {
    var isNull: Bool { null != nil }

    /// A scalar that reads as a text: quoted, or nothing that YAML takes for a truth value or nothing at all.
    var plainText: String? {
        guard case .scalar(let scalar) = self, !isNull else { return nil }
        if scalar.style == .plain, bool != nil { return nil }
        return scalar.string
    }

    /// For messages: `, and this is …`.
    var found: String {
        switch self {
        case .mapping: ", not a mapping"
        case .sequence: ", not a list"
        case .scalar(let scalar): ", not \(scalar.string.prefix(60).debugDescription)"
        case .alias: ""
        }
    }
}

extension YamlError {
    fileprivate var place: String {
        switch self {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _): ":\(mark.line)"
        case .duplicatedKeysInMapping(_, let context): ":\(context.mark.line)"
        default: ""
        }
    }

    fileprivate var oneLine: String {
        switch self {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _):
            "not YAML: \(problem)"
        case .duplicatedKeysInMapping(let duplicates, _):
            "the same key twice: \(duplicates.map { "\($0)" }.sorted().joined(separator: ", "))"
        default: "not YAML: \("\(self)".split(separator: "\n").joined(separator: " "))"
        }
    }
}

extension [String] {
    fileprivate var quotedList: String { map { "\"\($0)\"" }.joined(separator: " and ") }
}
