import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Proto
import RPC
import Streaming
import Support
import Testing

/// Commands in a guest with OpenSSH as Debian configures it, through the whole of the shim.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineExecTests {
    @Test(.timeLimit(.minutes(30)))
    func `commands in a row leave nothing behind in the shim, the supervisor or the guest`() async throws {
        try await MachineHost.with(server: .openssh) { shim in
            let config = shim.sandboxConfig("row")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            let supervisor = try #require(
                try Leftovers.processes(below: "machines/\(machine)").first { $0.contains("vm-host") })
            let id = try #require(supervisor.split(separator: " ").first.flatMap { Int32($0) })
            func processes() async throws -> Int {
                try #require(
                    Int(
                        try await shim.execute(machine, ["sh", "-c", "ls -d /proc/[0-9]* | wc -l"]).text.filter(
                            \.isNumber)))
            }
            for number in 0..<20 {
                #expect(try await shim.execute(machine, ["echo", "\(number)"]).text == "\(number)\n")
            }
            let before = (try shim.footprint(), try Footprint.of(id), try await processes())
            // 1,000 when there is time for it.
            for number in 0..<min(1000, Faults.rounds * 10) {
                #expect(try await shim.execute(machine, ["echo", "\(number)"]).text == "\(number)\n")
            }
            let after = (try shim.footprint(), try Footprint.of(id), try await processes())
            print("the shim before \(before.0), after \(after.0); vm-host before \(before.1), after \(after.1)")
            #expect(after.0.isNoMore(than: before.0), "the shim before \(before.0), after \(after.0)")
            #expect(after.1.isNoMore(than: before.1), "vm-host before \(before.1), after \(after.1)")
            #expect(after.2 <= before.2 + 2)
        }
    }

    @Test func `commands arrive as they were written, whatever is in them`() async throws {
        try await MachineHost.with(server: .openssh) { shim in
            let config = shim.sandboxConfig("exec")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)

            let arguments = [
                "plain", "two words", "", " ", "it's", "\"double\"", "back\\slash", "$HOME", "`id`", "$(id)", "a\nb",
                "a\tb",
                "*", "?", "~", "!", "#", ";", "&", "|", ">", "ünïcödé ☃ 🐙", "-n", "--",
                String(repeating: "x", count: 64 << 10),
            ]
            let echo = try await shim.execute(
                machine, ["sh", "-c", #"for a in "$@"; do printf '%s\0' "$a"; done"#, "-"] + arguments)
            #expect(
                echo.text.split(separator: "\0", omittingEmptySubsequences: false).dropLast().map(String.init)
                    == arguments)
            for code in [0, 1, 2, 42, 126, 127, 128, 200, 255] {
                #expect(try await shim.execute(machine, ["sh", "-c", "exit \(code)"]).exitCode == Int32(code))
            }
            #expect(try await shim.execute(machine, ["sh", "-c", "kill -9 $$"]).exitCode == 137)
            #expect(try await shim.execute(machine, ["no-such-program"]).exitCode == 127)

            // Binary both ways, ended by a half-close.
            let bytes = [UInt8]((0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) })
            let copy = try await Session.run(shim, machine, ["cat"], input: bytes)
            #expect(copy.code == 0 && copy.output == bytes)

            // A terminal whose size changes five times.
            let sizes = [(80, 24), (100, 40), (132, 50), (40, 10), (200, 60)]
            let terminal = try await Session.run(
                shim, machine,
                ["sh", "-c", "for i in 1 2 3 4 5; do read x; stty size; done; tty >/dev/null && echo tty"],
                terminal: sizes)
            let lines = String(decoding: terminal.output, as: UTF8.self).split(whereSeparator: \.isNewline).map(
                String.init)
            #expect(lines.filter { $0.contains(" ") } == sizes.map { "\($0.1) \($0.0)" })
            #expect(lines.last == "tty" && terminal.code == 0)

            // More at once than sshd allows on one connection.
            let answers = try await withThrowingTaskGroup(of: String.self) { group in
                for number in 0..<40 {
                    group.addTask { try await shim.execute(machine, ["sh", "-c", "sleep 1; echo \(number)"]).text }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(answers == Set((0..<40).map { "\($0)\n" }))
        }
    }

    @Test func `a command that takes too long is killed, and a probe of a booting guest kills nothing`() async throws {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("limits")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            func probe(_ command: [String], _ seconds: Int64) async throws -> CRI.ExecSyncResponse {
                try await shim.call(
                    CRI.RuntimeService.execSync,
                    .init {
                        $0.containerId = machine
                        $0.cmd = command
                        $0.timeout = seconds
                    })
            }
            let booting = await status { _ = try await probe(["true"], 1) }
            if let booting {
                #expect(booting.code == .unavailable && booting.message.contains("GuestBooting"))
            }
            _ = try await shim.execute(machine, ["true"])
            let late = await status { _ = try await probe(["sh", "-c", "sleep 4321 & wait"], 1) }
            #expect(late?.code == .deadlineExceeded)
            try await eventually("the command is gone from the guest") {
                try await !shim.execute(machine, ["ps"]).text.contains("sleep 4321")
            }
        }
    }
}

/// One streamed command, through the URL of an Exec.
private enum Session {
    static func run(
        _ shim: ShimProcess, _ container: String, _ command: [String], input: [UInt8]? = nil,
        terminal: [(Int, Int)] = []
    ) async throws -> (code: Int32, output: [UInt8]) {
        let url = try await shim.call(
            CRI.RuntimeService.exec,
            .init {
                $0.containerId = container
                $0.cmd = command
                $0.stdin = true
                $0.stdout = true
                $0.tty = !terminal.isEmpty
            }
        ).url
        let output = NIOLockedValueBox<[UInt8]>([])
        let (stdin, stdinIn) = AsyncThrowingStream<ByteBuffer, any Error>.makeStream()
        let (resizes, resizesIn) = AsyncStream<TerminalSize>.makeStream()
        let sink = OutputSink { bytes in output.withLockedValue { $0 += bytes.readableBytesView } }
        async let result = RemoteCommandClient.run(
            url: url,
            options: .init(stdin: true, stdout: true, stderr: false, tty: !terminal.isEmpty), stdin: stdin,
            stdout: sink,
            resizes: terminal.isEmpty ? nil : resizes, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "e2e"))
        if let input {
            for start in stride(from: 0, to: input.count, by: 32 << 10) {
                stdinIn.yield(ByteBuffer(bytes: input[start..<min(start + 32 << 10, input.count)]))
            }
        }
        for (index, size) in terminal.enumerated() {
            resizesIn.yield(.init(width: size.0, height: size.1))
            // Sizes and input travel on streams of their own: the guest is asked until it has the new one.
            try await eventually("size \(index) is seen", within: .seconds(60)) {
                let seen = output.withLockedValue { String(decoding: $0, as: UTF8.self) }
                if seen.contains("\(size.1) \(size.0)") { return true }
                let now = try await shim.execute(
                    container, ["sh", "-c", "for t in /dev/pts/[0-9]*; do stty size < $t; done"])
                if now.text.contains("\(size.1) \(size.0)"), !seen.contains("\(size.1) \(size.0)") {
                    stdinIn.yield(ByteBuffer(string: "\n"))
                    try await eventually("the command answers") {
                        output.withLockedValue { String(decoding: $0, as: UTF8.self) }.contains("\(size.1) \(size.0)")
                    }
                    return true
                }
                return false
            }
        }
        stdinIn.finish()
        switch try await result {
        case .exited(let code): return (code, output.withLockedValue { $0 })
        case .failed(let message): throw ShimProcess.Failure(description: message)
        }
    }
}
