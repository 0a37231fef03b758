import Foundation
import Support
import Testing

@testable import VMHost

@Suite("The shell around the main command")
struct MainCommandTests {
    private func run(_ command: [String], limit: Duration = .seconds(20)) async throws -> ChildProcess.Outcome {
        let wrapped = MainProgram.wrapped(command)
        let setsid = FileManager.default.isExecutableFile(atPath: "/usr/bin/setsid") ? ["/usr/bin/setsid", "-w"] : []
        let all = setsid + wrapped
        return try await ChildProcess.run(all[0], Array(all.dropFirst()), limit: limit)
    }

    @Test("its exit codes are the command's, 128+n for signals, and it says nothing itself")
    func codes() async throws {
        for code in [0, 1, 42, 127, 255] as [Int32] {
            let outcome = try await run(["sh", "-c", "exit \(code)"])
            #expect(outcome.code == code)
            #expect(outcome.errors == "")
        }
        let killed = try await run(["sh", "-c", "kill -TERM $$"])
        #expect(killed.code == 143)
        #expect(killed.errors == "")
        let missing = try await run(["no-such-program-here"])
        #expect(missing.code == 127)
        #expect(missing.errors.contains("no-such-program-here"))
    }

    @Test("arguments are exactly those, and outputs stay apart")
    func arguments() async throws {
        let outcome = try await run([
            "/bin/sh", "-c", #"printf '<%s>' "$@"; echo err >&2"#, "x", "", "a b", "'\"$HOME\n", "-n",
        ])
        #expect(outcome.output == "<><a b><'\"$HOME\n><-n>")
        #expect(outcome.errors == "err\n")
    }

    @Test("a command that is named like something of the shell's is a program all the same")
    func noBuiltins() async throws {
        #expect(try await run(["echo", "-e", "x"]).code == 0)
        #expect(try await run(["exit", "3"]).code == 127)
    }

    @Test("what the command leaves behind does not hold up its end")
    func orphans() async throws {
        let start = ContinuousClock.now
        let outcome = try await run(["sh", "-c", "trap '' TERM; sleep 300 & echo $!; exit 7"])
        #expect(outcome.code == 7)
        #expect(ContinuousClock.now - start < .seconds(20))
        let id = try #require(Int32(outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)))
        try await eventually("\(id) is gone") { kill(id, 0) != 0 }
    }

    @Test("a signal to the group is the command's to answer")
    func answered() async throws {
        let wrapped = MainProgram.wrapped(["sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.05; done"])
        let child = try ChildProcess(wrapped[0], Array(wrapped.dropFirst()))
        try await eventually("it runs") { child.output == "up\n" }
        kill(-child.pid, SIGTERM)
        #expect(await child.wait().code == 5)
    }
}
