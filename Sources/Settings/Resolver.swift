/// Settles each key of a table: flag, then environment, then file, then default.
public struct Resolver: Sendable {
    public var table: SettingsTable
    /// By key name, in the order given. A flag that was not given is not here.
    public var flags: [String: [String]]
    public var platform: HostPlatform
    public var file: ConfigurationFile?

    public init(table: SettingsTable, flags: [String: [String]], platform: HostPlatform, file: ConfigurationFile?) {
        self.table = table
        self.flags = flags
        self.platform = platform
        self.file = file
    }

    public func resolve() throws(SettingsError) -> ResolvedSettings {
        var entries: [ResolvedSettings.Entry] = []
        for key in table.keys { entries.append(try resolve(key)) }
        return ResolvedSettings(section: table.section, entries: entries)
    }

    private func resolve(_ key: SettingKey) throws(SettingsError) -> ResolvedSettings.Entry {
        if let given = flags[key.name], !given.isEmpty {
            let value = try checked(given, of: key, said: key.flag ?? key.name)
            return .init(key: key, value: value, origin: .flag(key.flag ?? key.name))
        }
        if let variable = key.variable, let given = platform.variable(variable) {
            let value = try checked([given], of: key, said: variable)
            return .init(key: key, value: value, origin: .environment(variable))
        }
        if let file, let entry = file.entries[table.section]?[key.name] {
            return .init(
                key: key, value: placed(entry.value, of: key, in: file.directory(from: platform.workingDirectory)),
                origin: .file(path: file.path, line: entry.line))
        }
        return .init(key: key, value: key.standard, origin: .standard)
    }

    private func checked(_ given: [String], of key: SettingKey, said: String) throws(SettingsError) -> SettingValue {
        // A repeated flag adds to a list; otherwise the last one counts.
        if key.kind == .list, given.count > 1 { return .list(given) }
        guard let value = key.kind.value(of: given[given.count - 1]) else {
            let shown = key.isSecret ? "" : ", not \(given[given.count - 1].debugDescription)"
            throw SettingsError(.invalidArgument, "\(said) must be \(key.kind.wanted)\(shown)")
        }
        return placed(value, of: key, in: platform.workingDirectory)
    }

    private func placed(_ value: SettingValue, of key: SettingKey, in directory: String) -> SettingValue {
        switch (key.kind, value) {
        case (.path, .text(let path)): return .text(placed(path, in: directory))
        case (.records(let fields), .records(let records)):
            let paths = Set(fields.filter(\.isPath).map(\.name))
            return .records(
                records.map { record in
                    Dictionary(
                        uniqueKeysWithValues: record.map { name, text in
                            (name, paths.contains(name) ? placed(text, in: directory) : text)
                        })
                })
        default: return value
        }
    }

    private func placed(_ path: String, in directory: String) -> String {
        if path.hasPrefix("/") { return path }
        if path.hasPrefix("~/") { return platform.home + path.dropFirst() }
        return joined(directory, path)
    }
}

extension ConfigurationFile {
    /// Where the file lies, absolute.
    fileprivate func directory(from workingDirectory: String) -> String {
        let absolute = path.hasPrefix("/") ? path : joined(workingDirectory, path)
        guard let slash = absolute.lastIndex(of: "/"), slash != absolute.startIndex else { return "/" }
        return String(absolute[..<slash])
    }
}

private func joined(_ directory: String, _ path: String) -> String {
    var path = path[...]
    while path.hasPrefix("./") { path = path.dropFirst(2) }
    return directory.hasSuffix("/") ? directory + path : directory + "/" + path
}
