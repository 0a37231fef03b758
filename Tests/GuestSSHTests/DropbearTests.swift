import Foundation
import GuestSSH
import Logging
import NIOCore
import Processes
import Support
import Testing

private let dropbearIsPossible =
    getuid() == 0
    && ["dropbear", "dropbearkey", "unshare"].allSatisfy { (try? Executables.find($0)) != nil }

/// The server of small guests. Takes its keys from the user's home only, so it is run with another one mounted there, which
/// takes root.
@Suite(.serialized, .enabled(if: dropbearIsPossible, "skipped, because dropbear is not installed, or not run by root"))
struct DropbearTests {
    private func withDropbear(_ body: (GuestLink) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try await SSHServer.makeKey("\(directory)/user", "ed25519")
            let keys = try String(contentsOfFile: "\(directory)/user.pub", encoding: .utf8)
            try FileManager.default.createDirectory(atPath: "\(directory)/home/.ssh", withIntermediateDirectories: true)
            try keys.write(toFile: "\(directory)/home/.ssh/authorized_keys", atomically: true, encoding: .utf8)
            let made = try await Support.ChildProcess.run(
                try Executables.find("dropbearkey"), ["-t", "ed25519", "-f", "\(directory)/host"])
            #expect(made.code == 0, "\(made.errors)")
            let port = try FreePort.find()
            let script = """
                mount --bind '\(directory)/home' "$HOME" && exec '\(try Executables.find("dropbear"))' \
                -F -E -r '\(directory)/host' -P '\(directory)/pid' -p 127.0.0.1:\(port)
                """
            let server = try Support.ChildProcess(try Executables.find("unshare"), ["-m", "/bin/sh", "-c", script])
            let configuration = GuestSSHConfiguration(
                host: "127.0.0.1", port: port, user: NSUserName(), keyFile: "\(directory)/user")
            let link = GuestLink(
                configuration, onHostKey: { _ in }, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            let result: Result<Void, any Error>
            do {
                try await link.waitUntilReachable(within: .seconds(30))
                result = .success(try await body(link))
            } catch {
                result = .failure(error)
            }
            await link.close()
            for id in ProcessTable.descendants(of: server.pid).reversed() { Foundation.kill(id, SIGKILL) }
            _ = await server.wait()
            try result.get()
        }
    }

    @Test("commands, their input, environment, exit codes and signals")
    func commands() async throws {
        try await withDropbear { link in
            let outcome = try await link.outcome(
                ["/bin/sh", "-c", "cat; echo \"$1 $X\"; echo e >&2; exit 77", "sh", "a\nb 'c'"],
                environment: ["X": "ä\n$y"], directory: "/tmp", input: [0, 10, 255, 10])
            #expect(outcome.output == [0, 10, 255, 10] + Array("a\nb 'c' ä\n$y\n".utf8))
            #expect(outcome.errorText == "e\n")
            #expect(outcome.code == 77)
            #expect(try await link.outcome(["/bin/sh", "-c", "kill -TERM $$; sleep 9"]).code == 143)
            let long = String(repeating: "x", count: 65536)
            #expect(try await link.outcome(["printf", "%s", long]).text == long)
        }
    }

    @Test("a terminal, and its resizes")
    func terminal() async throws {
        try await withDropbear { link in
            let script = "trap 'stty size' WINCH; stty size; while :; do sleep 0.02; done"
            let process = try await link.run(
                GuestCommand(
                    ["/bin/sh", "-c", script], environment: ["SECRET": "hush"],
                    terminal: TerminalSize(columns: 81, rows: 25), hasInput: true))
            var output = process.output.makeAsyncIterator()
            var text = ""
            try await output.read(until: "25 81\r\n", &text)
            process.resize(TerminalSize(columns: 100, rows: 30))
            try await output.read(until: "30 100\r\n", &text)
            #expect(text == "25 81\r\n30 100\r\n")
            await process.kill()
            #expect(try await process.wait().code == 137)
        }
    }

    @Test("kill ends the whole tree")
    func kill() async throws {
        try await withDropbear { link in
            let process = try await link.run(
                GuestCommand(["/bin/sh", "-c", "trap '' TERM; sleep 1000 & echo $!; sleep 1001 & echo $!; wait"]))
            var ids: [Int32] = [process.id]
            for try await event in process.output {
                if case .output(let bytes) = event {
                    ids += String(buffer: bytes).split(separator: "\n").compactMap { Int32($0) }
                }
                if ids.count == 3 { break }
            }
            await process.kill()
            #expect(ids.count == 3)
            #expect(ids.filter(ProcessTable.isAlive) == [])
        }
    }

    @Test("many at once, megabytes, and forwards both ways")
    func load() async throws {
        try await withDropbear { link in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 {
                    group.addTask {
                        try await link.outcome(["cat"], input: [UInt8](repeating: 7, count: 500_000)).output.count
                    }
                }
                for try await count in group { #expect(count == 500_000) }
            }
            let listener = try await link.listen(onGuestPort: try FreePort.find()) { connection in
                do {
                    for try await bytes in connection.inbound { try await connection.write(bytes) }
                    connection.closeOutput()
                } catch { Issue.record(error) }
            }
            let connection = try await link.connect(toGuestPort: listener.port)
            async let echoed = connection.readAll()
            try await connection.write(ByteBuffer(repeating: 5, count: 1_000_000))
            connection.closeOutput()
            #expect(try await echoed.count == 1_000_000)
            await listener.close()
            try await fails(with: .refused) { _ = try await link.connect(toGuestPort: try FreePort.find()) }
        }
    }
}
