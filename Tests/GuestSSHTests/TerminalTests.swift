import GuestSSH
import NIOCore
import Support
import Testing

@Suite(.serialized, .enabled(if: SSHServer.isInstalled || SSHServer.isRequired, SSHServer.skipReason))
struct TerminalTests {
    private func terminal(
        _ arguments: [String], environment: [String: String] = [:], columns: Int = 80, rows: Int = 24
    ) -> GuestCommand {
        GuestCommand(
            arguments, environment: environment, terminal: TerminalSize(columns: columns, rows: rows), hasInput: true)
    }

    @Test("a command on a terminal has one, of the right kind and size, and its output is all that is seen")
    func size() async throws {
        try await withLink { link, _ in
            let process = try await link.run(
                terminal(
                    [
                        "/bin/sh", "-c",
                        "stty size; test -t 0 && test -t 1 && test -t 2 && echo \"$TERM $SECRET\"; exit 3",
                    ],
                    environment: ["SECRET": "a\nb", "TERM": "vt220"], columns: 132, rows: 50))
            let outcome = try await process.collect()
            #expect(outcome.text == "50 132\r\nvt220 a\r\nb\r\n")
            #expect(outcome.code == 3)
        }
    }

    @Test("its modes are those of a terminal that was just opened")
    func modes() async throws {
        try await withLink { link, _ in
            let outcome = try await link.run(terminal(["stty", "-a"])).collect()
            let words = Set(outcome.text.split { " ;\r\n".contains($0) }.map(String.init))
            for word in ["isig", "icanon", "iexten", "echo", "icrnl", "ixon", "opost", "onlcr"] {
                #expect(words.contains(word), "\(word)")
            }
        }
    }

    @Test("five resizes are seen, in order")
    func resizes() async throws {
        try await withLink { link, _ in
            let script = "trap 'stty size' WINCH; echo ready; while :; do sleep 0.02; done"
            let process = try await link.run(terminal(["/bin/sh", "-c", script]))
            var output = process.output.makeAsyncIterator()
            var text = ""
            try await output.read(until: "ready", &text)
            for number in 1...5 {
                process.resize(TerminalSize(columns: 100 + number, rows: 30 + number))
                try await output.read(until: "\(30 + number) \(100 + number)\r\n", &text)
            }
            await process.kill()
        }
    }

    @Test("a terminal of no size is one all the same, and has its input (C11)", arguments: [(0, 0), (0, 24), (80, 0)])
    func noSize(columns: Int, rows: Int) async throws {
        try await withLink { link, _ in
            let process = try await link.run(
                terminal(
                    ["/bin/sh", "-c", "test -t 0 && test -t 1 || exit 9; read a; echo \"got $a\"; exit 4"],
                    columns: columns, rows: rows))
            process.resize(TerminalSize(columns: columns, rows: rows))
            try await process.write(ByteBuffer(string: "x\r"))
            let outcome = try await process.collect()
            #expect(outcome.code == 4 && outcome.text.contains("got x"))
        }
    }

    @Test("typed keys are echoed; Ctrl-C interrupts; Ctrl-D ends the input")
    func keys() async throws {
        try await withLink { link, _ in
            let process = try await link.run(
                terminal([
                    "/bin/sh", "-c",
                    // Whether the interrupt ends the loop it meets is the shell's affair, and a matter of the moment: this goes
                    // on in the trap, where two ends of input are needed whatever it was.
                    """
                    trap 'echo interrupted; while read a; do echo got $a; done; cat; exit 9' INT
                    echo ready; while read a; do echo got $a; done; exit 1
                    """,
                ]))
            var output = process.output.makeAsyncIterator()
            var text = ""
            try await output.read(until: "ready", &text)
            try await process.write(ByteBuffer(string: "hello\r"))
            try await output.read(until: "hello\r\ngot hello\r\n", &text)
            try await process.write(ByteBuffer(bytes: [3]))
            try await output.read(until: "interrupted\r\n", &text)
            try await process.closeInput()
            try await process.closeInput()
            #expect(try await process.collect().code == 9)
        }
    }

    @Test("the end of the input of a command that has ended is no error; more input is, and not one of the connection")
    func inputAfterEnd() async throws {
        try await withLink { link, _ in
            for command in [
                terminal(["/bin/sh", "-c", "exit 6"]), GuestCommand(["/bin/sh", "-c", "exit 6"], hasInput: true),
            ] {
                let process = try await link.run(command)
                #expect(try await process.collect().code == 6)
                try await process.closeInput()
                try await process.closeInput()
                try await fails(with: .closed) { try await process.write(ByteBuffer(string: "x")) }
            }
        }
    }

    @Test("long arguments with every control character pass through the terminal unseen and unchanged")
    func longArguments() async throws {
        try await withLink { link, _ in
            let every = String(String.UnicodeScalarView((1...127).map { UnicodeScalar(UInt8($0)) })) + "é\u{85}日本"
            let long = String(repeating: every, count: 400)
            let process = try await link.run(
                terminal(["/bin/sh", "-c", "stty -opost; printf %s \"$1\" | md5sum", "sh", long]))
            let expected = try await link.outcome(["md5sum"], input: Array(long.utf8))
            #expect(try await process.collect().text == expected.text)
        }
    }
}
