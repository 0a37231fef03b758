/// The way from flags to settings that both executables take.
public enum Configuration {
    /// - Parameters:
    ///   - section: ``ShimSettings/section`` or ``AdapterSettings/section``.
    ///   - file: as `--config` names it; nil takes the platform's file when there is one.
    ///   - flags: by key name.
    /// - Throws: `invalidArgument` with one line that names the place and says what is wrong there.
    public static func load(
        section: String, file: String?, flags: [String: [String]], platform: HostPlatform
    ) throws(SettingsError) -> ResolvedSettings {
        let tables = [ShimSettings.table(for: platform), AdapterSettings.table(for: platform)]
        guard let table = tables.first(where: { $0.section == section }) else {
            preconditionFailure("no section \(section)")
        }
        let standard = platform.configurationFile
        let path = file ?? (platform.exists(standard) ? standard : nil)
        var contents: ConfigurationFile?
        if let path { contents = try ConfigurationFile(readingFrom: path, tables: tables) }
        return try Resolver(table: table, flags: flags, platform: platform, file: contents).resolve()
    }

    /// Variables that are set and do nothing here; a daemon logs them when it starts.
    public static func warnings(section: String, platform: HostPlatform) -> [String] {
        let table =
            section == ShimSettings.section ? ShimSettings.table(for: platform) : AdapterSettings.table(for: platform)
        return ForeignVariables.warnings(for: section, table: table, environment: platform.environment)
    }
}
