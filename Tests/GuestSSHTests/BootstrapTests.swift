import Foundation
import NIOCore
import Support
import Testing

@testable import GuestSSH

@Suite struct BootstrapTests {
    @Test(
        "a word for the shell",
        arguments: [
            ("", "''"), ("a", "'a'"), ("a b", "'a b'"), ("it's", #"'it'\''s'"#), ("$x`y`\"\\", #"'$x`y`"\'"#),
            ("a\nb", #"'a'"$_vzcri"'b'"#), ("\n", #"''"$_vzcri"''"#), ("ä\u{301}\r", "'ä\u{301}\r'"),
        ])
    func words(text: String, word: String) {
        #expect(ShellQuoting.word(text) == word)
    }

    @Test(
        "names that shells set themselves",
        arguments: [
            ("A", true), ("_a1", true), ("", false), ("1a", false), ("a-b", false), ("a.b", false), ("é", false),
            ("UID", false), ("_", false), ("PATH", true), ("_vzcri", false),
        ])
    func names(name: String, isPlain: Bool) {
        #expect(ShellQuoting.isPlainName(name) == isPlain)
    }

    @Test("what the login shell is given holds nothing that any shell reads in its own way")
    func loginCommand() {
        let inside = Bootstrap.loginCommand.split(separator: "'")[1]
        #expect(Bootstrap.loginCommand.count { $0 == "'" } == 2)
        #expect(inside.allSatisfy { !"!\\\n'".contains($0) })
    }

    @Test("a script is one line, whatever the command holds")
    func oneLine() throws {
        let command = GuestCommand(
            ["a\nb", "\n"], environment: ["X": "1\n2", "a.b": "3\n4"], workingDirectory: "/x\ny")
        let script = try Bootstrap(command, nonce: "n").script
        #expect(script.utf8.count { $0 == 10 } == 1)
        #expect(script.hasSuffix("\n"))
    }

    @Test("what no process can be given is refused")
    func refused() {
        for command in [
            GuestCommand([]), GuestCommand(["a\0"]), GuestCommand(["a"], environment: ["": "x"]),
            GuestCommand(["a"], environment: ["a=b": "x"]), GuestCommand(["a"], environment: ["a": "\0"]),
            GuestCommand(["a"], workingDirectory: "\0"),
        ] {
            #expect(throws: GuestSSHError.self) { try Bootstrap(command, nonce: "n") }
        }
    }

    /// Shells that may be somebody's login shell, or `/bin/sh`, and how to run a line by each.
    private static let shells: [[String]] = [
        ["/bin/dash", "-c"], ["/bin/bash", "-c"], ["/bin/bash", "--posix", "-c"], ["/bin/busybox", "ash", "-c"],
        ["/bin/zsh", "-c"], ["/usr/bin/zsh", "-c"], ["/usr/bin/fish", "-c"], ["/usr/bin/tcsh", "-c"],
        ["/bin/ksh", "-c"],
    ].filter { FileManager.default.isExecutableFile(atPath: $0[0]) }

    @Test("shells run the command exactly, and give it the rest of the input", arguments: shells)
    func run(shell: [String]) async throws {
        let every = String(String.UnicodeScalarView((1...0x24f).map { UnicodeScalar(UInt16($0))! })) + "日本🦊"
        let command = GuestCommand(
            ["printf", "%s\\0", every, "", "-n", "a'b\nc", String(repeating: every, count: 60)],
            environment: ["EVERY": every], workingDirectory: "/tmp")
        let bootstrap = try Bootstrap(command, nonce: "abc")
        // As a login shell…
        try await check(shell + [Bootstrap.loginCommand], bootstrap, command)
        // … and, where it is a POSIX shell, in the place of /bin/sh.
        if ["dash", "bash", "busybox", "ksh"].contains(where: { shell[0].hasSuffix($0) }) {
            let line = Bootstrap.loginCommand.split(separator: "'")[1]
            try await check(shell + [String(line)], bootstrap, command)
        }
        let cat = try Bootstrap(GuestCommand(["cat"]), nonce: "abc")
        let outcome = try await ChildProcess.run(
            shell[0], Array(shell.dropFirst()) + [Bootstrap.loginCommand], input: cat.script + "rest of\nthe input\n")
        #expect(outcome.output.split(separator: "\n").dropFirst() == ["rest of", "the input"])
    }

    private func check(_ line: [String], _ bootstrap: Bootstrap, _ command: GuestCommand) async throws {
        let outcome = try await ChildProcess.run(line[0], Array(line.dropFirst()), input: bootstrap.script)
        #expect(outcome.code == 0, "\(line): \(outcome.errors)")
        var preamble = Preamble(marker: bootstrap.marker, hasErrorOutput: true)
        preamble.take(output: ByteBuffer(string: outcome.output))
        preamble.take(errors: ByteBuffer(string: outcome.errors))
        #expect(preamble.isComplete)
        let got = Array(preamble.rest.output.readableBytesView).split(separator: 0, omittingEmptySubsequences: false)
            .dropLast().map { String(decoding: $0, as: UTF8.self) }
        #expect(got == Array(command.arguments.dropFirst(2)), "\(line.prefix(2))")
    }

    @Test("a script that is cut short does nothing")
    func cutShort() async throws {
        let script = try Bootstrap(GuestCommand(["echo", "done"]), nonce: "n").script
        for count in [0, 1, script.utf8.count / 2, script.utf8.count - 1] {
            let outcome = try await ChildProcess.run(
                "/bin/sh", ["-c", Bootstrap.loginCommand], input: String(script.prefix(count)))
            #expect(outcome.output == "")
            #expect(outcome.code != 0)
        }
    }

    @Test("the command's output is found in every way it may be cut")
    func preamble() {
        let output = Array("hello\nvzcri-n not it\nvzcri-n 4x\nvzcri-n 4711\r\nmine vzcri-n 1\n".utf8)
        for cut in 0...output.count {
            var preamble = Preamble(marker: "vzcri-n", hasErrorOutput: true)
            preamble.take(output: ByteBuffer(bytes: output[..<cut]))
            preamble.take(output: ByteBuffer(bytes: output[cut...]))
            #expect(!preamble.isComplete)
            preamble.take(errors: ByteBuffer(string: "warning\nvzcr"))
            preamble.take(errors: ByteBuffer(string: "i-n\nmine"))
            #expect(preamble.isComplete)
            #expect(preamble.processID == 4711)
            #expect(String(buffer: preamble.rest.output) == "mine vzcri-n 1\n")
            #expect(String(buffer: preamble.rest.errors) == "mine")
        }
    }

    @Test("base64, and host keys as they are pinned")
    func keys() throws {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            #expect(Base64.encode(Array(text.utf8)) == encoded)
            #expect(Base64.decode(encoded.utf8) == Array(text.utf8))
        }
        #expect(Base64.decode("a?b".utf8) == nil)
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJqfAuhEGhmJVqj7jdIRhKxT3n9P0bD6fVmV5pV7mQ6b me@here"
        let key = try HostKey(pin: line)
        #expect(key.description == line.split(separator: " ").prefix(2).joined(separator: " "))
        #expect(throws: GuestSSHError.self) { try HostKey(pin: "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJqf") }
        #expect(HostKey.preferences(pinned: try HostKey(pin: line)).first == "ssh-ed25519")
    }
}
