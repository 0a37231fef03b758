import ArgumentParser
import CRIControl
import CRIShim
import Launch
import Logging
import NIOPosix
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// `cri-shim vm`: the machines of this host, with or without a daemon beside it.
struct VM: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm",
        abstract: "The virtual machines of this host.",
        discussion: """
            Works on the shim's directory and on the machines' own sockets, whether the daemon runs or not. A machine is named \
            by its container's id, the beginning of that, or a name: NAME, POD/NAME, NAMESPACE/POD/NAME.
            """,
        subcommands: [VMList.self, VMConsole.self, VMScreenshot.self])
}

/// Where the machines are.
struct VMOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The shim's directory, as for serve.", valueName: "directory"))
    var root: String?
    @Option(help: ArgumentHelp("The shim's directory for sockets, as for serve.", valueName: "directory"))
    var state: String?
    @Option(help: ArgumentHelp("Configuration file (YAML).", valueName: "file"))
    var config: String?

    /// Runs `body`, and turns its failure into one line and an exit code.
    func run(_ body: (MachineInventory) async throws -> Void) async throws {
        var flags = FlagValues()
        flags.set("root", root)
        flags.set("state", state)
        let settings = try Start.configured {
            ShimSettings(
                try Configuration.load(
                    section: ShimSettings.section, file: config, flags: flags.byKey,
                    platform: .current(environment: ProcessInfo.processInfo.environment)))
        }
        var logger = Logger(label: "vm") { _ in StandardErrorLog() }
        logger.logLevel = .warning
        let inventory = MachineInventory(
            root: settings.root, state: ShimConfiguration.stateDirectory(settings),
            group: MultiThreadedEventLoopGroup.singleton, logger: logger)
        do {
            try await body(inventory)
        } catch let error as ShimError where error.code == .invalidArgument {
            throw ProgramFailure("\(error)", exitCode: Exit.usage)
        } catch let error as ShimError {
            throw ProgramFailure("\(error)")
        }
    }
}

struct VMList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ls", abstract: "Machines, the newest first.")
    @OptionGroup var options: VMOptions
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table
    @Flag(name: .shortAndLong, help: "Full ids only.") var quiet = false

    func run() async throws {
        try await options.run { inventory in
            let machines = try await inventory.list()
            if quiet {
                for machine in machines { print(machine.id) }
            } else if output == .json {
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
                print(String(decoding: try encoder.encode(machines), as: UTF8.self))
            } else {
                print(Self.table(machines, now: CtlDefaults.now()).text, terminator: "")
            }
        }
    }

    static func table(_ machines: [MachineEntry], now: Int64) -> Table {
        var table = Table(["MACHINE ID", "POD", "NAME", "STATE", "IMAGE", "CPU/MEM", "ADDRESS", "REACHABLE", "AGE"])
        for machine in machines {
            let state = machine.state.rawValue + (machine.exitCode.map { " (\($0))" } ?? "")
            table.add([
                Display.shortID(machine.id), machine.pod.isEmpty ? "-" : "\(machine.namespace)/\(machine.pod)",
                machine.container, state, machine.image, "\(machine.cpus)/\(machine.memoryBytes >> 20)Mi",
                machine.address ?? "-", machine.isReachable.map { $0 ? "yes" : "no" } ?? "-",
                Display.age(of: machine.createdAt, now: now),
            ])
        }
        return table
    }
}

struct VMConsole: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "console",
        abstract: "What a machine's serial console said, each line with its time; also after its end.",
        discussion: "On a terminal colours are kept, and other control sequences of the guest left out.")
    @OptionGroup var options: VMOptions
    @Flag(name: .shortAndLong, help: "Go on with what comes, until the machine ends or Ctrl-C.") var follow = false
    @Option(name: [.customShort("n"), .long], help: "So many of the last lines.") var tail = 100
    @Flag(help: "Everything that is kept.") var all = false
    @Argument(help: "Machine.") var machine: String

    func validate() throws {
        guard tail >= 0 else { throw ValidationError("--tail takes a number of lines") }
    }

    func run() async throws {
        try await options.run { inventory in
            let entry = try await inventory.find(machine)
            let out = ConsoleOutput()
            try await MachineConsole(of: entry, in: inventory).copy(lines: all ? nil : tail, follow: follow) { bytes in
                await out.write(bytes)
            }
        }
    }
}

/// Standard output, with what a terminal must not see taken out.
private actor ConsoleOutput {
    private var filter: TerminalFilter? = RawTerminal.isTerminal(1) ? TerminalFilter() : nil

    func write(_ bytes: [UInt8]) {
        let shown = filter?.filter(bytes) ?? bytes
        var rest = shown[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { put(1, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            // Nobody reads any more.
            guard count > 0 else { exit(0) }
            rest = rest.dropFirst(count)
        }
    }
}

private func put(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

struct VMScreenshot: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "screenshot", abstract: "A picture of what a machine's display shows (PNG).",
        discussion: "A machine has a display when its pod asks for one: annotation vzcri.dev/display.")
    @OptionGroup var options: VMOptions
    @Option(name: .shortAndLong, help: ArgumentHelp("The file that is made.", valueName: "file")) var output: String
    @Argument(help: "Machine.") var machine: String

    func run() async throws {
        try await options.run { inventory in
            let entry = try await inventory.find(machine)
            guard [.running, .starting, .stopping, .held].contains(entry.state) else {
                throw ProgramFailure("machine \(Display.shortID(entry.id)) does not run: it is \(entry.state.rawValue)")
            }
            guard access(output, F_OK) != 0 else {
                throw ProgramFailure("\(output) is there already: remove it, or name another file")
            }
            // The machine's owner writes it, wherever that runs.
            let path = output.hasPrefix("/") ? output : FileManager.default.currentDirectoryPath + "/" + output
            try await inventory.screenshot(of: entry, to: path)
            print(output)
        }
    }
}
