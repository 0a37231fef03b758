import ArgumentParser
import CRIShim
import Launch
import Settings
import Sockets

/// `cri-shim serve`: flags and configuration to a running daemon.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Serve the CRI.",
        discussion: "A flag wins over the environment, that over the configuration file, that over the default.")

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp("Where to serve: unix:///PATH or tcp://HOST:PORT. May be repeated.", valueName: "endpoint"))
    var listen: [String] = []

    @Option(help: ArgumentHelp("The group that may connect to the unix socket.", valueName: "name"))
    var socketGroup: String?

    @Option(help: ArgumentHelp("Certificate (PEM) for tcp://.", valueName: "file"))
    var tlsCert: String?

    @Option(help: ArgumentHelp("Key (PEM) of that certificate.", valueName: "file"))
    var tlsKey: String?

    @Option(
        name: .customLong("client-ca"), help: ArgumentHelp("Signs the clients that may connect.", valueName: "file"))
    var clientCA: String?

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "Lets in only clients whose certificate bears this name. May be repeated.", valueName: "name"))
    var clientAllow: [String] = []

    @Option(help: ArgumentHelp("How clients reach this host, for streaming URLs.", valueName: "host"))
    var advertiseAddress: String?

    @Option(help: ArgumentHelp("Where state is kept; one shim per directory.", valueName: "directory"))
    var root: String?

    @Option(
        help: ArgumentHelp(
            "Where sockets and namespaces are; short, and one shim per directory.", valueName: "directory"))
    var state: String?

    @Option(
        help: ArgumentHelp(
            "Below it are the logs of pods that adapters on other machines may read.", valueName: "directory"))
    var podLogs: String?

    @Option(help: ArgumentHelp("The Docker Engine: unix:///PATH or tcp://HOST:PORT.", valueName: "endpoint"))
    var dockerHost: String?

    @Option(help: ArgumentHelp("Image of pause containers; made locally when not given.", valueName: "reference"))
    var pauseImage: String?

    @OptionGroup var common: CommonOptions

    private var flags: FlagValues {
        var flags = FlagValues()
        flags.set("listen", listen)
        flags.set("socketGroup", socketGroup)
        flags.set("tlsCert", tlsCert)
        flags.set("tlsKey", tlsKey)
        flags.set("clientCA", clientCA)
        flags.set("clientAllow", clientAllow)
        flags.set("advertiseAddress", advertiseAddress)
        flags.set("root", root)
        flags.set("state", state)
        flags.set("podLogs", podLogs)
        flags.set("dockerHost", dockerHost)
        flags.set("pauseImage", pauseImage)
        return flags
    }

    func run() async throws {
        let resolved = try Start.settings(section: ShimSettings.section, common: common, flags: flags)
        let configuration = try Start.configured { try ShimConfiguration(ShimSettings(resolved)) }
        let logger = Start.logger("cri-shim", settings: resolved)
        do {
            try await ShimDaemon.run(configuration, logger: logger)
        } catch let error as ShimError where error.code == .invalidArgument {
            throw ProgramFailure("\(error)", exitCode: Exit.configuration)
        } catch {
            throw ProgramFailure("\(error)")
        }
    }
}
