import NIOCore
import NIOPosix
import Support
import Testing

@testable import Processes

@Suite("Commands", .timeLimit(.minutes(1))) struct CommandTests {
    @Test("input goes in, both outputs and the code come back")
    func streams() async throws {
        let result = try await Command.run("sh", ["-c", "cat; echo oops >&2; exit 3"], input: Array("hello".utf8))
        #expect(result.text == "hello" && result.errorText == "oops\n" && result.end == .exited(code: 3))
    }

    @Test("output beyond the limit is dropped, not waited for")
    func limit() async throws {
        let result = try await Command.run("head", ["-c", "3000000", "/dev/zero"], limit: 1000)
        #expect(result.output.count == 1000 && result.end.isSuccess)
    }

    @Test("a program that takes too long is killed, with everything it holds of ours")
    func deadline() async throws {
        let error = await #expect(throws: ProcessError.self) {
            try await Command.run("sh", ["-c", "sleep 60; true"], deadline: .milliseconds(50))
        }
        #expect(error?.code == .deadline)
    }

    @Test("what a program left running does not keep its caller, and what it said is there")
    func leftRunning() async throws {
        let result = try await Command.run("sh", ["-c", "echo said; setsid sleep 20 & exit 0"], deadline: .seconds(30))
        #expect(result.text == "said\n" && result.end.isSuccess)
        let began = ContinuousClock.now
        await #expect(throws: ProcessError.self) {
            try await Command.run("sh", ["-c", "setsid sleep 20; true"], deadline: .milliseconds(50))
        }
        #expect(ContinuousClock.now - began < .seconds(15))
    }

    @Test("programs that take their time hold no thread that blocking work needs")
    func threads() async throws {
        let slow = (0..<NIOSingletons.blockingPoolThreadCountSuggestion + 4).map { _ in
            Task { try await Command.run("sleep", ["60"]) }
        }
        defer { for task in slow { task.cancel() } }
        try await Task.sleep(for: .milliseconds(200))
        #expect(try await NIOThreadPool.singleton.runIfActive { true })
    }

    @Test("a cancelled caller's program is killed")
    func cancellation() async throws {
        let task = Task { try await Command.run("sleep", ["60"]) }
        task.cancel()
        await #expect(throws: (any Error).self) { _ = try await task.value }
    }

    @Test("failure carries what the program said")
    func failure() async throws {
        let error = await #expect(throws: ProcessError.self) {
            try await Command.checked("sh", ["-c", "echo it broke >&2; exit 4"])
        }
        #expect(error?.message.contains("it broke (exit code 4)") == true)
    }

    @Test("many at once all come back")
    func many() async throws {
        let texts = try await withThrowingTaskGroup(of: String.self) { group in
            for number in 0..<40 { group.addTask { try await Command.run("echo", ["\(number)"]).text } }
            return try await group.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(texts == Set((0..<40).map { "\($0)\n" }))
    }
}
