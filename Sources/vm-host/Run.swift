import ArgumentParser
import Launch
import Logging
import VMHost

/// `vm-host run`: one machine, from its start to its end.
struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run the machine of a bundle to its end.",
        discussion: """
            Ends when the machine has ended; exit.json in the bundle says how. SIGTERM stops the machine. When this process \
            is killed, its machine dies with it.
            """)

    @Option(help: ArgumentHelp("The machine's directory, with config.json.", valueName: "directory"))
    var bundle: String

    @Option(help: ArgumentHelp("Where its sockets are made: a short path.", valueName: "directory"))
    var runDir: String

    @Option(help: ArgumentHelp("trace, debug, info, notice, warning, error or critical.", valueName: "level"))
    var logLevel = "info"

    func validate() throws {
        for path in [bundle, runDir] where !path.hasPrefix("/") {
            throw ValidationError("\(path) is no absolute path")
        }
        guard Logger.Level(rawValue: logLevel) != nil else {
            throw ValidationError("there is no log level \(logLevel)")
        }
    }

    func run() async throws {
        var logger = Logger(label: "vm-host") { _ in StandardErrorLog() }
        logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
        try await VMHost.run(bundle: bundle, runDirectory: runDir, logger: logger)
    }
}
