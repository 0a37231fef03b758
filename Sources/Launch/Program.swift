public import ArgumentParser
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Exit codes, as `sysexits.h` numbers them where it has one.
public enum Exit {
    /// It could not start, or what it was asked for failed.
    public static let failure: Int32 = 1
    /// The command line makes no sense.
    public static let usage: Int32 = 64
    /// The configuration cannot be used.
    public static let configuration: Int32 = 78
}

/// Ends a program with one line on standard error.
public struct ProgramFailure: Error, CustomStringConvertible {
    public var message: String
    public var exitCode: Int32

    public init(_ message: String, exitCode: Int32 = Exit.failure) {
        self.message = message
        self.exitCode = exitCode
    }

    public var description: String { message }
}

/// Runs a command with subcommands, and speaks for it when it fails: one line, prefixed by the program's name.
public enum Program<Root: ParsableCommand> {
    /// - Parameter prefix: of flags that are accepted and mean nothing here.
    public static func main(ignoring prefix: String? = nil) async {
        // A reader that goes away is an error of one write, not the end of a daemon.
        signal(SIGPIPE, SIG_IGN)
        // Threads that wait for disks, not for processors: with one per processor, two slow disks stop a small host.
        NIOSingletons.blockingPoolThreadCountSuggestion = max(16, 2 * System.coreCount)
        do {
            var command = try Root.parseAsRoot(prefix.map { meant(CommandLine.arguments, ignoring: $0) })
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            let ending = ending(for: error)
            StandardStream.output.write(ending.standardOutput)
            StandardStream.error.write(ending.standardError)
            exit(ending.exitCode)
        }
    }

    /// The arguments without the program's name and without flags of that prefix. Such a flag's value is joined by `=`, or
    /// follows it when it does not look like a flag.
    static func meant(_ arguments: [String], ignoring prefix: String) -> [String] {
        var meant: [String] = []
        var skips = false
        for argument in arguments.dropFirst() {
            if argument.hasPrefix(prefix) {
                skips = !argument.contains("=")
            } else if skips, !argument.hasPrefix("-") {
                skips = false
            } else {
                skips = false
                meant.append(argument)
            }
        }
        return meant
    }

    struct Ending: Equatable {
        var standardOutput = ""
        var standardError = ""
        var exitCode: Int32
    }

    static func ending(for error: any Error) -> Ending {
        let name = Root._commandName
        if let code = error as? ExitCode { return Ending(exitCode: code.rawValue) }
        if let failure = error as? ProgramFailure {
            return Ending(standardError: "\(name): \(oneLine(failure.message))\n", exitCode: failure.exitCode)
        }
        let code = Root.exitCode(for: error)
        if code == .success { return Ending(standardOutput: Root.fullMessage(for: error) + "\n", exitCode: 0) }
        if code == .validationFailure {
            let message = oneLine(Root.message(for: error))
            return Ending(standardError: "\(name): \(message) (see \(name) --help)\n", exitCode: Exit.usage)
        }
        return Ending(standardError: "\(name): \(oneLine("\(error)"))\n", exitCode: Exit.failure)
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }.joined(separator: " ")
    }
}
