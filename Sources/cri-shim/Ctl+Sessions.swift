import ArgumentParser
import CRIControl

struct CtlLogs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logs", abstract: "A container's log, read from its file on this host.")
    @OptionGroup var connection: CtlConnection
    @Flag(name: .shortAndLong, help: "Go on as lines come, until the container has ended.") var follow = false
    @Option(help: "Only the last N lines.") var tail: Int?
    @Option(help: "Only lines of the last 10s, 5m, 2h, or since 2006-01-02T15:04:05Z.") var since: String?
    @Flag(name: .shortAndLong, help: "Put each line's time before it.") var timestamps = false
    @Argument(help: "Container.") var container: String

    func run() async throws {
        try await connection.run { commands in
            let options = try LogOptions(
                follow: follow, tail: tail, since: since, timestamps: timestamps, now: CtlDefaults.now())
            try await commands.logs(container, options)
        }
    }
}

struct CtlExec: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a command in a container. Exits with the command's exit code.",
        discussion: "Example: cri-shim ctl exec -it web/app -- sh")
    @OptionGroup var connection: CtlConnection
    @Flag(name: [.customShort("i"), .customLong("stdin")], help: "Pass standard input on.") var stdin = false
    @Flag(name: [.customShort("t"), .customLong("tty")], help: "Give the command a terminal.") var tty = false
    @Flag(name: [.customShort("s"), .long], help: "Use ExecSync: no streaming, output when it is over.") var sync =
        false
    @Argument(help: "Container.") var container: String
    @Argument(parsing: .captureForPassthrough, help: "The command and its arguments.") var command: [String]

    func run() async throws {
        try await connection.run { commands in
            // What follows `--` is the command; the `--` itself is not.
            let words = command.first == "--" ? Array(command.dropFirst()) : command
            let code =
                sync
                ? try await commands.execSync(container, words, limit: .seconds(connection.timeout))
                : try await TerminalSession.run(stdin: stdin, tty: tty) { input in
                    try await commands.exec(container, words, input)
                }
            if code != 0 { throw ExitCode(code) }
        }
    }
}

struct CtlAttach: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attach", abstract: "Connect to a container's main process.")
    @OptionGroup var connection: CtlConnection
    @Flag(name: [.customShort("i"), .customLong("stdin")], help: "Pass standard input on.") var stdin = false
    @Flag(name: [.customShort("t"), .customLong("tty")], help: "The container has a terminal.") var tty = false
    @Argument(help: "Container.") var container: String

    func run() async throws {
        try await connection.run { commands in
            try await TerminalSession.run(stdin: stdin, tty: tty) { input in
                try await commands.attach(container, input)
            }
        }
    }
}

struct CtlPortForward: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "port-forward", abstract: "Listen on 127.0.0.1 and pass connections to ports of a pod.")
    @OptionGroup var connection: CtlConnection
    @Argument(help: "Pod.") var pod: String
    @Argument(help: "[LOCAL:]REMOTE; LOCAL empty: any free port.") var ports: [String]

    func run() async throws {
        try await connection.run { commands in
            try await commands.portForward(pod, try ports.map { try PortMapping(parsing: $0) })
        }
    }
}
