import ArgumentParser
import Logging
import Settings
import Testing

@testable import Launch

private struct Sample: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample", abstract: "Tests.", version: "1.2.3", subcommands: [Run.self])

    struct Run: ParsableCommand {
        @Option var count: Int = 0
    }
}

@Suite struct ProgramTests {
    private func ending(_ arguments: String...) -> Program<Sample>.Ending? {
        do {
            var command = try Sample.parseAsRoot(arguments)
            try command.run()
            return nil
        } catch {
            return Program<Sample>.ending(for: error)
        }
    }

    @Test("a command line that makes no sense is one line and exit code 64")
    func usage() {
        #expect(
            ending("run", "--cuont", "3")
                == .init(
                    standardError: "sample: Unknown option '--cuont'. Did you mean '--count'? (see sample --help)\n",
                    exitCode: 64))
        #expect(ending("nothing")?.exitCode == 64)
        #expect(ending("run", "--count", "many")?.exitCode == 64)
        #expect(ending("run", "--count", "many")?.standardError.filter { $0 == "\n" }.count == 1)
    }

    @Test func `flags that mean nothing here are left out with their values, whatever stands around them`() {
        func meant(_ arguments: String...) -> [String] {
            Program<Sample>.meant(["sample"] + arguments, ignoring: "--klog.")
        }
        #expect(meant("--klog.v", "3", "run", "--klog.dir=/x", "--count", "2") == ["run", "--count", "2"])
        #expect(meant("run", "--klog.logtostderr", "--count", "2") == ["run", "--count", "2"])
        #expect(meant("run", "--klog.v=2", "x") == ["run", "x"])
    }

    @Test("help and version go to standard output and are no failure")
    func help() {
        #expect(ending("--version") == .init(standardOutput: "1.2.3\n", exitCode: 0))
        let help = ending("run", "--help")
        #expect(help?.exitCode == 0)
        #expect(help?.standardOutput.contains("--count") == true)
        #expect(help?.standardError == "")
    }

    @Test("a failure is one line with the program's name, also when its text has several")
    func failures() {
        #expect(
            Program<Sample>.ending(for: ProgramFailure("first\n  second", exitCode: 78))
                == .init(standardError: "sample: first second\n", exitCode: 78))
        struct Odd: Error, CustomStringConvertible { var description: String { "odd" } }
        #expect(Program<Sample>.ending(for: Odd()) == .init(standardError: "sample: odd\n", exitCode: 1))
        #expect(Program<Sample>.ending(for: ExitCode(7)) == .init(exitCode: 7))
    }
}

@Suite struct StandardErrorLogTests {
    @Test("an event is one line, whatever is in it")
    func lines() {
        let time = Timestamp(seconds: 1_767_323_045, milliseconds: 7)
        let line = StandardErrorLog.line(
            at: time, level: .info, message: "pod\nruns \u{1b}[1m",
            metadata: ["pod": "default/a b", "ip": "10.0.0.1", "empty": "", "quote": "say \"x\""])
        #expect(
            line == "2026-01-02T03:04:05.007Z info     pod\\nruns \\x1b[1m empty=\"\" ip=10.0.0.1 pod=\"default/a b\" "
                + "quote=\"say \\\"x\\\"\"\n")
    }
}

@Suite struct StartTests {
    @Test("flags that were not given set nothing")
    func flags() {
        var flags = FlagValues()
        flags.set("a", nil)
        flags.set("b", [String]())
        flags.set("c", false)
        #expect(flags.byKey.isEmpty)
        flags.set("a", "1")
        flags.set("b", ["1", "2"])
        flags.set("c", true)
        #expect(flags.byKey == ["a": ["1"], "b": ["1", "2"], "c": ["true"]])
    }

    @Test("a fault of the configuration ends with 78")
    func configured() throws {
        let failure = try #require(throws: ProgramFailure.self) {
            try Start.configured { throw SettingsError(.invalidArgument, "c.yaml:1: no") }
        }
        #expect(failure.exitCode == 78)
        #expect(failure.message == "c.yaml:1: no")
    }
}
