public import ArgumentParser
public import Logging
public import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What both daemons take besides their own flags.
public struct CommonOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Configuration file (YAML).", valueName: "file"))
    public var config: String?

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    public var logLevel: String?

    @Flag(help: "Print every setting with its origin, and end.")
    public var printConfig = false

    public init() {}
}

/// Flags by the key they set; those that were not given are left out.
public struct FlagValues {
    public private(set) var byKey: [String: [String]] = [:]

    public init() {}

    public mutating func set(_ key: String, _ value: String?) {
        if let value { byKey[key] = [value] }
    }

    public mutating func set(_ key: String, _ values: [String]) {
        if !values.isEmpty { byKey[key] = values }
    }

    public mutating func set(_ key: String, _ isGiven: Bool) {
        if isGiven { byKey[key] = ["true"] }
    }
}

/// The steps from a command line to a running daemon.
public enum Start {
    /// Settles the configuration; with `--print-config` shows it and ends.
    ///
    /// - Throws: ``ProgramFailure`` with ``Exit/configuration``, or `ExitCode.success` after printing.
    public static func settings(section: String, common: CommonOptions, flags: FlagValues) throws -> ResolvedSettings {
        var flags = flags
        flags.set("logLevel", common.logLevel)
        let platform = Self.platform
        let resolved = try configured {
            try Configuration.load(section: section, file: common.config, flags: flags.byKey, platform: platform)
        }
        if common.printConfig {
            StandardStream.output.write(resolved.report)
            throw ExitCode.success
        }
        return resolved
    }

    /// Runs `body`, whose errors are faults of the configuration.
    public static func configured<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw ProgramFailure("\(error)", exitCode: Exit.configuration)
        }
    }

    /// The program's logger; first it says which variables have no effect.
    public static func logger(_ label: String, settings: ResolvedSettings) -> Logger {
        var logger = Logger(label: label) { _ in StandardErrorLog() }
        logger.logLevel = settings.text("logLevel").flatMap(Logger.Level.init(rawValue:)) ?? .info
        for warning in Configuration.warnings(section: settings.section, platform: platform) {
            logger.warning("\(warning)")
        }
        return logger
    }

    private static var platform: HostPlatform { .current(environment: ProcessInfo.processInfo.environment) }
}
