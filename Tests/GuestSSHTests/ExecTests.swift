import Foundation
import GuestSSH
import NIOCore
import Support
import Testing

@Suite(.serialized, .enabled(if: SSHServer.isInstalled || SSHServer.isRequired, SSHServer.skipReason))
struct ExecTests {

    private static let awkward = [
        "", " ", "two words", " lead", "trail ", "it's", "\"double\"", "`id`", "$(id)", "$HOME", "${x}", "a\\b", "\\",
        "\\n", "a\nb", "\n", "\n\n", "a\n", "\r\n", "\t", "*", "?", "[a]", "~", "!!", "!", "#no", "a;b", "a|b", "a&b",
        "<in", ">out", "(x)", "{a,b}", "%s%d", "-n", "--", "-", "äöü", "日本語", "🦊", "e\u{301}", "\u{1}\u{2}\u{7f}",
        "\u{81}\u{82}\u{88}\u{85}", "ÁÂÃÄÅÆÇÈ", "\u{3}\u{4}\u{11}\u{13}\u{1a}\u{1c}", "'\"'\"'", "''", "a'\nb'\n",
        "=", "a=b", "^x^y", "$'a'", "\u{feff}", "\u{2028}",
    ]

    @Test("every argument arrives as it is")
    func arguments() async throws {
        try await withLink { link, _ in
            let outcome = try await link.outcome(
                ["/usr/bin/env", "printf", "%s\\0"] + Self.awkward)
            let got = outcome.output.split(separator: 0, omittingEmptySubsequences: false).dropLast()
                .map { String(decoding: $0, as: UTF8.self) }
            #expect(Array(got) == Self.awkward)
            #expect(outcome.code == 0)
            #expect(outcome.errorText == "")
        }
    }

    @Test("arguments of 64 KiB, one and several, with everything in them")
    func longArguments() async throws {
        try await withLink { link, _ in
            var long = ""
            while long.utf8.count < 65536 { long += Self.awkward.joined(separator: "|") }
            let cut = String(decoding: Array(long.utf8.prefix(65000)), as: UTF8.self)
            let plain = String(repeating: "x", count: 65536)
            let outcome = try await link.outcome(["printf", "%s\\0", cut, plain, plain, ""])
            let got = outcome.output.split(separator: 0, omittingEmptySubsequences: false).dropLast()
                .map { String(decoding: $0, as: UTF8.self) }
            #expect(Array(got) == [cut, plain, plain, ""])
        }
    }

    @Test("an argument longer than the guest's kernel takes is a refusal, not a hang")
    func tooLong() async throws {
        try await withLink { link, _ in
            let outcome = try await link.outcome(["/bin/echo", String(repeating: "x", count: 200_000)])
            #expect(outcome.code == 126)
            #expect(outcome.errorText.contains("too long"))
        }
    }

    @Test("the environment arrives as it is, also names no shell can set, and is on no command line")
    func environment() async throws {
        try await withLink { link, _ in
            var environment: [String: String] = [:]
            for (index, value) in Self.awkward.enumerated() { environment["V_\(index)"] = value }
            environment["a.b-c"] = "dotted 'value'\n"
            environment["UID"] = "77"
            environment["SHLVL"] = "9"
            environment["IFS"] = "x"
            environment["PATH"] = "/usr/bin:/bin"
            let outcome = try await link.outcome(["env", "-0"], environment: environment)
            let got = outcome.output.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
            for (name, value) in environment { #expect(got.contains("\(name)=\(value)"), "\(name)") }
            let seen = try await link.outcome(
                ["/bin/sh", "-c", "cat /proc/$$/cmdline /proc/$PPID/cmdline"], environment: ["SECRET": "hush-hush"])
            #expect(!seen.text.contains("hush-hush"))
        }
    }

    @Test("the working directory, and what is said of one that does not exist")
    func directory() async throws {
        try await withLink { link, server in
            let odd = "\(server.directory)/it's a\nplace"
            _ = try await link.outcome(["mkdir", odd])
            #expect(try await link.outcome(["pwd"], directory: odd).text == odd + "\n")
            do {
                _ = try await link.outcome(["pwd"], directory: "/no/such/place")
                Issue.record("it ran somewhere else")
            } catch let error as GuestSSHError {
                #expect(error.code == .notStarted)
                #expect(error.message.contains("/no/such/place"))
            }
        }
    }

    @Test("exit codes 0 to 255")
    func exitCodes() async throws {
        try await withLink { link, _ in
            try await withThrowingTaskGroup(of: (Int32, Int32?).self) { group in
                for code in Int32(0)...255 {
                    if code >= 8 { try await check(&group) }
                    group.addTask { (code, try await link.outcome(["/bin/sh", "-c", "exit \(code)"]).code) }
                }
                for _ in 0..<8 { try await check(&group) }
            }
        }
        func check(_ group: inout ThrowingTaskGroup<(Int32, Int32?), any Error>) async throws {
            let (wanted, got) = try #require(try await group.next())
            #expect(got == wanted)
        }
    }

    @Test(
        "a signal is 128 + its number",
        arguments: [
            "HUP": 129, "INT": 130, "QUIT": 131, "ABRT": 134, "KILL": 137, "SEGV": 139, "PIPE": 141, "TERM": 143,
        ])
    func signals(name: String, code: Int32) async throws {
        try await withLink { link, _ in
            let outcome = try await link.outcome(["/bin/sh", "-c", "kill -\(name) $$; sleep 10"])
            #expect(outcome.code == code)
            #expect(outcome.exit == .signal(name))
        }
    }

    @Test("a program that does not exist is 127, one that is none is 126")
    func missing() async throws {
        try await withLink { link, _ in
            #expect(try await link.outcome(["/no/such/program"]).code == 127)
            #expect(try await link.outcome(["no-such-program", "a"]).code == 127)
            #expect(try await link.outcome(["/etc/passwd"]).code == 126)
            try await fails(with: .invalidArgument) { _ = try await link.outcome([]) }
            try await fails(with: .invalidArgument) { _ = try await link.outcome(["a\0b"]) }
        }
    }

    @Test("standard output and standard error stay apart, and all of both arrives before the exit")
    func streams() async throws {
        try await withLink { link, _ in
            let outcome = try await link.shell("i=0; while [ $i -lt 500 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done")
            #expect(outcome.text == (0..<500).map { "o\($0)\n" }.joined())
            #expect(outcome.errorText == (0..<500).map { "e\($0)\n" }.joined())
            #expect(outcome.code == 0)
        }
    }

    @Test("binary input comes back as it went, its end is passed on, output may follow it")
    func binary() async throws {
        try await withLink { link, _ in
            var random = SeededRandom(seed: 7)
            var bytes = random.bytes(300_000)
            bytes += Array(0...255) + [10, 0, 10, 13]
            #expect(try await link.outcome(["cat"], input: bytes).output == bytes)
            let counted = try await link.outcome(["/bin/sh", "-c", "wc -c; echo done"], input: bytes)
            #expect(counted.text.split(whereSeparator: \.isWhitespace) == ["\(bytes.count)", "done"])
        }
    }

    @Test("input that is not wanted, or not read, hinders nothing")
    func unread() async throws {
        try await withLink { link, _ in
            #expect(try await link.outcome(["cat"]).output == [])
            let process = try await link.run(GuestCommand(["/bin/sh", "-c", "exit 3"], hasInput: true))
            let writing = Task { try await process.write(ByteBuffer(repeating: 1, count: 8 << 20)) }
            #expect(try await process.wait() == .code(3))
            try await fails(with: .closed) { try await writing.value }
        }
    }

    @Test("a login shell that talks before it runs anything is not heard", arguments: ["bash", "dash"])
    func chatter(shell: String) async throws {
        // What a start-up file would print, here by a forced command in front of what was asked for.
        let talk = "echo hello; echo warning >&2; printf no-newline; eval \"$SSH_ORIGINAL_COMMAND\""
        try await withServer { server in
            let key = try String(contentsOfFile: "\(server.directory)/user.pub", encoding: .utf8)
            let line = "command=\"/bin/\(shell) -c '\(talk.replacing("\"", with: "\\\""))'\" \(key)"
            try line.write(toFile: "\(server.directory)/authorized_keys", atomically: true, encoding: .utf8)
            let link = server.link()
            let outcome = try await link.outcome(["/bin/sh", "-c", "echo mine; echo err >&2; exit 9"])
            #expect(outcome.text == "mine\n")
            #expect(outcome.errorText == "err\n")
            #expect(outcome.code == 9)
            await link.close()
        }
    }

    @Test("a user who may not run anything is told what the guest said")
    func nologin() async throws {
        try await withServer { server in
            let key = try String(contentsOfFile: "\(server.directory)/user.pub", encoding: .utf8)
            try "command=\"echo This account is not available; exit 1\" \(key)".write(
                toFile: "\(server.directory)/authorized_keys", atomically: true, encoding: .utf8)
            let link = server.link()
            do {
                _ = try await link.outcome(["true"])
                Issue.record("it started")
            } catch let error as GuestSSHError {
                #expect(error.code == .notStarted)
                #expect(error.message.contains("This account is not available"))
            }
            await link.close()
        }
    }

    @Test("small files are written whole with their mode, and read back")
    func files() async throws {
        try await withLink { link, server in
            let path = "\(server.directory)/a file's name"
            let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 * 7) }
            try await link.writeFile(bytes, to: path, mode: 0o640)
            #expect(try await link.readFile(path, limit: 200_000) == bytes)
            #expect(try await link.outcome(["stat", "-c", "%a", path]).text == "640\n")
            try await fails(with: .exhausted) { _ = try await link.readFile(path, limit: 1000) }
            try await fails(with: .channel) { _ = try await link.readFile("/no/such", limit: 10) }
            try await fails(with: .channel) { try await link.writeFile([1], to: "/no/such/dir/file", mode: 0o600) }
        }
    }
}
