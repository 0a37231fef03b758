import Foundation
import Proto
import RPC
import Support
import Testing

/// Commands in a guest, through the whole of the shim.
@Suite(.enabled(if: ContractHost.canRun, ContractHost.skipReason)) struct MachineExecContractTests {
    @Test(arguments: ContractHost.allCases)
    func `commands arrive as they were written, whatever is in them`(_ host: ContractHost) async throws {
        try await host.with(server: .openssh) { shim in
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
            let copy = try await ExecSession.run(shim, machine, ["cat"], input: bytes)
            #expect(copy.code == 0 && copy.output == bytes)

            // A terminal whose size changes five times.
            let sizes = [(80, 24), (100, 40), (132, 50), (40, 10), (200, 60)]
            let terminal = try await ExecSession.run(
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
                    group.addTask {
                        try await shim.execute(machine, ["sh", "-c", "sleep 1; echo \(number)"]).text
                    }
                }
                return try await group.reduce(into: Set<String>()) { $0.insert($1) }
            }
            #expect(answers == Set((0..<40).map { "\($0)\n" }))
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `a command that takes too long is killed, and a probe of a booting guest kills nothing`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
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
