import ArgumentParser
import CRIControl
import CRIShim
import Doctor
import Launch
import Settings
import Sockets
import TLS

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// `cri-shim doctor`: looks whether this host has what pods and machines need, and says what to do about what it lacks.
struct DoctorCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Look whether this host is fit to be a node, and say what to do.",
        discussion: """
            Run it as the daemon's user, with the daemon's variables. It changes nothing; what it makes to try something is \
            removed again. The exit code is 0 when all is well, 1 with warnings, 2 with failures.
            """)

    @Option(help: ArgumentHelp("Configuration file (YAML).", valueName: "file"))
    var config: String?
    @Option(help: ArgumentHelp("The shim's directory, as for serve.", valueName: "directory"))
    var root: String?
    @Option(help: ArgumentHelp("The shim's directory for sockets, as for serve.", valueName: "directory"))
    var state: String?
    @Option(help: ArgumentHelp("The Docker Engine: unix:///PATH or tcp://HOST:PORT.", valueName: "endpoint"))
    var dockerHost: String?
    @Flag(help: "Print JSON.") var json = false

    func run() async throws {
        let platform = HostPlatform.current(environment: ProcessInfo.processInfo.environment)
        var flags = FlagValues()
        flags.set("root", root)
        flags.set("state", state)
        flags.set("dockerHost", dockerHost)
        let (subject, tls) = try Self.subject(file: config, flags: flags.byKey, platform)
        let report = DoctorReport(await Doctor.examine(ThisHost(dockerTLS: tls), subject))
        if json {
            print(try report.json())
        } else {
            print(report.text(colours: RawTerminal.isTerminal(1)), terminator: "")
        }
        throw ExitCode(report.exitCode)
    }

    /// What is configured; when that cannot be used, why not and what holds without it.
    private static func subject(
        file: String?, flags: [String: [String]], _ platform: HostPlatform
    ) throws -> (Subject, TLSContext?) {
        do {
            let settings = ShimSettings(
                try Configuration.load(section: ShimSettings.section, file: file, flags: flags, platform: platform))
            let adapter = AdapterSettings(
                try Configuration.load(section: AdapterSettings.section, file: file, flags: [:], platform: platform))
            let configuration = try ShimConfiguration(settings)
            var subject = Subject(settings, adapter, configuration)
            subject.configurationWarnings = Configuration.warnings(section: ShimSettings.section, platform: platform)
            return (subject, try dockerTLS(configuration))
        } catch {
            var plain = platform
            plain.environment = platform.environment.filter { $0.key == "HOME" || $0.key.hasPrefix("XDG_") }
            let settings = ShimSettings(
                try Configuration.load(section: ShimSettings.section, file: "/dev/null", flags: [:], platform: plain))
            let adapter = AdapterSettings(
                try Configuration.load(section: AdapterSettings.section, file: "/dev/null", flags: [:], platform: plain)
            )
            var subject = Subject(settings, adapter, try ShimConfiguration(settings))
            subject.configurationError = "\(error)"
            return (subject, nil)
        }
    }

    /// As the daemon reaches the engine.
    private static func dockerTLS(_ configuration: ShimConfiguration) throws -> TLSContext? {
        try configuration.dockerTLS.map { files in
            try TLSContext.client(
                TLSClientConfiguration(
                    caFile: files.caFile, certificateFile: files.certificateFile, keyFile: files.keyFile,
                    serverName: nil, verification: files.verify ? .full : .none, applicationProtocols: ["http/1.1"]))
        }
    }
}

extension Subject {
    /// - Parameter configuration: what the daemon makes of `shim`.
    init(_ shim: ShimSettings, _ adapter: AdapterSettings, _ configuration: ShimConfiguration) {
        self.init(
            root: configuration.rootDirectory, state: configuration.stateDirectory,
            docker: configuration.dockerEndpoint, vmHost: shim.vmHost ?? ShimConfiguration.standardVMHost)
        listen = configuration.listen
        hasSocketGroup = shim.socketGroup != nil
        kubeletPort = adapter.kubeletPort
        sharedDirectories = adapter.root.hasPrefix(shim.root + "/") ? [shim.root] : [shim.root, adapter.root]
        hasNoMachines = shim.vmSlots == 0
        bridgeInterface = shim.bridgeInterface
        logins = shim.guests.map { fields in
            Login(
                origin: "guests: \(fields["match"] ?? fields["name"] ?? "")", user: fields["user"],
                keyFile: fields["keyFile"], passwordFile: fields["passwordFile"],
                hasPassphrase: fields["passphraseFile"] != nil)
        }
        let variables = Login(
            origin: "VZ_SSH_*", user: shim.sshUser, keyFile: shim.sshKeyFile, passwordFile: shim.sshPasswordFile,
            keyBase64: shim.sshKeyBase64, hasPassword: shim.sshPassword != nil,
            hasPassphrase: shim.sshKeyPassphrase != nil || shim.sshKeyPassphraseFile != nil)
        let isUsed =
            [shim.sshUser, shim.sshKeyFile, shim.sshPasswordFile, shim.sshKeyBase64, shim.sshPassword]
            .contains { $0 != nil }
        if isUsed { logins.append(variables) }
    }
}
