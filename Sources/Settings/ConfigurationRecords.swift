import Yams

/// Reads a list of mappings of the configuration file: fields that exist, each a text or a truth value, none missing.
struct ConfigurationRecords {
    var path: String
    /// For messages: `shim.guests`.
    var name: String
    var fields: [SettingKey.Field]

    func values(of node: Node) throws(SettingsError) -> [[String: String]] {
        guard case .sequence(let items) = node else {
            throw ConfigurationFile.error(path, node, "\(name) must be \(wanted)\(node.found)")
        }
        var records: [[String: String]] = []
        for item in items { records.append(try record(item)) }
        return records
    }

    private func record(_ item: Node) throws(SettingsError) -> [String: String] {
        guard case .mapping(let pairs) = item else {
            throw ConfigurationFile.error(path, item, "\(name) must be \(wanted)")
        }
        var record: [String: String] = [:]
        for (key, value) in pairs {
            guard let field = fields.first(where: { $0.name == key.string }) else {
                throw ConfigurationFile.error(path, key, unknown("key", key, in: name, among: fields.map(\.name)))
            }
            if value.isNull { continue }
            if case .sequence(let items) = value, field.isList {
                let texts = items.compactMap(\.plainText)
                guard texts.count == items.count else {
                    throw ConfigurationFile.error(path, value, "\(name): \(field.name) must be a list of texts")
                }
                record[field.name] = texts.joined(separator: ", ")
                continue
            }
            if field.isFlag {
                // Quoted as well: the report writes it so.
                guard let flag = value.bool ?? value.string.flatMap(Bool.init) else {
                    throw ConfigurationFile.error(
                        path, value, "\(name): \(field.name) must be true or false\(value.found)")
                }
                record[field.name] = flag ? "true" : "false"
                continue
            }
            guard let text = value.plainText, !text.isEmpty else {
                throw ConfigurationFile.error(path, value, "\(name): \(field.name) must be a text\(value.found)")
            }
            record[field.name] = text
        }
        for field in fields where field.isRequired && record[field.name] == nil {
            throw ConfigurationFile.error(path, item, "\(name): an entry has no \(field.name)")
        }
        return record
    }

    private var wanted: String { SettingKey.Kind.records(fields).wanted }
}
