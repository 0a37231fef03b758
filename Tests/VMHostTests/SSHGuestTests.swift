import Foundation
import NIOCore
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite(
    "A supervisor and a guest over SSH", .enabled(if: SSHServer.canRun, "skipped, because sshd or root is missing"),
    .timeLimit(.minutes(10)))
struct SSHGuestTests {
    private func withHost(
        _ change: (inout MachineConfig) -> Void = { _ in }, _ body: (HostHarness, SSHServer) async throws -> Void
    ) async throws {
        try await SSHServer.with { server, _ in
            let engine = FakeEngine(
                address: GuestAddress(host: "127.0.0.1", port: server.port), onEnd: { server.cutPower() })
            try await HostHarness.with(engine: engine, overSSH: true) { config in
                config.credentials = .init(user: "root", keyFile: server.keyFile)
                change(&config)
            } _: { host in
                try await body(host, server)
            }
        }
    }

    private func output(_ session: MachineSession) async throws -> (String, Int32?) {
        var output = ""
        var code: Int32?
        for try await event in session.events {
            switch event {
            case .output(let bytes), .errorOutput(let bytes): output += String(buffer: bytes)
            case .exited(let exit): code = exit
            case .failed(let error): throw error
            }
        }
        return (output, code)
    }

    @Test("a command runs to its end: every line once, its code, its guest set up, its host key pinned")
    func command() async throws {
        try await withHost { config in
            config.main.command = [
                "sh", "-c", "for i in $(seq 1000); do echo line $i; done; hostname; cat /etc/resolv.conf; exit 42",
            ]
            config.naming.hostname = "guest-7"
            config.naming.nameServers = ["10.96.0.10"]
        } _: { host, _ in
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == 42, "\(record)")
            let lines = try host.logLines()
            #expect(Array(lines.prefix(1000)) == (1...1000).map { "stdout F line \($0)" })
            #expect(Array(lines.dropFirst(1000)) == ["stdout F guest-7", "stdout F nameserver 10.96.0.10"])
            #expect(try String(contentsOfFile: host.bundle.hostKey, encoding: .utf8).hasPrefix("ssh-ed25519 "))
        }
    }

    @Test("a signal from outside is 128+n, and what the command left behind holds nothing up")
    func signalled() async throws {
        try await withHost { config in
            config.main.command = ["sh", "-c", "sleep 600 & kill -KILL $$"]
        } _: { host, _ in
            try await host.ended()
            #expect(try host.record().exitCode == 137)
        }
    }

    @Test("stop reaches the command over SSH")
    func stop() async throws {
        try await withHost { config in
            config.main.command = ["sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"]
        } _: { host, _ in
            try await host.reached()
            try await eventually("the command runs") { (try? host.logLines()) == ["stdout F up"] }
            try await host.client.stop(graceSeconds: 60)
            #expect(try host.record().exitCode == 5)
            try await host.ended()
        }
    }

    @Test("attach to a terminal: typed input, sizes, and the output with its line ends")
    func terminal() async throws {
        try await withHost { config in
            config.main.command = ["sh", "-c", "stty -echo; read x; stty size; read y; echo got $y; exit 3"]
            config.main.tty = true
            config.main.stdin = true
        } _: { host, _ in
            try await host.reached()
            let session = try await host.client.attach(
                GuestAttach(hasStdin: true, size: GuestTerminalSize(columns: 100, rows: 30)))
            try await session.resize(columns: 132, rows: 50)
            try await session.send(ByteBuffer(string: "\n"))
            try await eventually("the size is there") {
                (try? host.logLines().contains { $0.contains("50 132") }) ?? false
            }
            try await session.send(ByteBuffer(string: "word\n"))
            let (said, code) = try await output(session)
            #expect(said.contains("got word\r\n"), "\(said)")
            #expect(code == 3)
            try await host.ended()
        }
    }

    @Test("20 execs at once beside a command")
    func manyExecs() async throws {
        try await withHost { _ in
        } _: { host, _ in
            try await host.reached()
            try await withThrowingTaskGroup(of: (Int, String, Int32?).self) { group in
                for number in 0..<20 {
                    group.addTask {
                        let session = try await host.client.exec(
                            GuestExec(command: ["sh", "-c", "cat; exit \(number)"], hasStdin: true))
                        try await session.send(ByteBuffer(string: "number \(number)"))
                        try await session.closeInput()
                        let (said, code) = try await output(session)
                        return (number, said, code)
                    }
                }
                for try await (number, said, code) in group {
                    #expect(said == "number \(number)")
                    #expect(code == Int32(number))
                }
            }
        }
    }

    @Test("a command that ends while more input is on its way ends with its exit code")
    func endsUnderInput() async throws {
        try await withHost { _ in
        } _: { host, _ in
            try await host.reached()
            for _ in 0..<8 {
                let session = try await host.client.exec(
                    GuestExec(command: ["sh", "-c", "read x; exit 4"], hasStdin: true))
                let feeding = Task {
                    for _ in 0..<8 { try await session.send(ByteBuffer(repeating: 10, count: 1 << 20)) }
                }
                #expect(try await output(session).1 == 4)
                feeding.cancel()
                _ = await feeding.result
            }
        }
    }

    @Test("a guest that loses power while its command runs ends as the machine did")
    func powerLost() async throws {
        try await withHost { config in
            config.main.command = ["sh", "-c", "echo up; sleep 600"]
        } _: { host, _ in
            try await host.reached()
            try await eventually("the command runs") { (try? host.logLines()) == ["stdout F up"] }
            host.engine.machine?.end(.crashed(message: "killed"))
            try await host.ended()
            #expect(try host.record().exitCode == 139)
        }
    }

    @Test("a guest that vanishes under its command, though the machine goes on, is unreachable")
    func vanished() async throws {
        try await withHost { config in
            config.main.command = ["sh", "-c", "echo up; sleep 600"]
        } _: { host, server in
            try await host.reached()
            try await eventually("the command runs") { (try? host.logLines()) == ["stdout F up"] }
            server.cutPower()
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == 255)
            #expect(record.reason == "GuestUnreachable")
        }
    }

    @Test("a key that the guest does not know is said as such, soon: for the container, and for a command")
    func wrongKey() async throws {
        for hasCommand in [true, false] {
            try await SSHServer.with { server, directory in
                let engine = FakeEngine(
                    address: GuestAddress(host: "127.0.0.1", port: server.port), onEnd: { server.cutPower() })
                // Its host key is one that nobody may log in with.
                try await HostHarness.with(engine: engine, overSSH: true) { config in
                    config.credentials = .init(user: "root", keyFile: directory + "/host")
                    config.readinessTimeout = 3600
                    if hasCommand { config.main.command = ["true"] }
                } _: { host in
                    try await host.connected()
                    let began = ContinuousClock.now
                    let refusal = await #expect(throws: VZEngineError.self) { () async throws in
                        let session = try await host.client.exec(GuestExec(command: ["true"]))
                        await session.close()
                    }
                    #expect(refusal?.code == .guestUnreachable, "\(String(describing: refusal))")
                    #expect(ContinuousClock.now - began < .seconds(300))
                    if hasCommand {
                        try await host.ended()
                        let record = try host.record()
                        #expect(record.exitCode == 255 && record.reason == "GuestUnreachable", "\(record)")
                        #expect(record.message.contains("root@127.0.0.1"), "\(record.message)")
                    } else {
                        #expect(refusal?.message.contains("root@127.0.0.1") == true, "\(String(describing: refusal))")
                    }
                }
            }
        }
    }

    @Test("another host key than the pinned one is no guest of ours")
    func otherHostKey() async throws {
        try await SSHServer.with { server, directory in
            let engine = FakeEngine(
                address: GuestAddress(host: "127.0.0.1", port: server.port), onEnd: { server.cutPower() })
            let other = try String(contentsOfFile: directory + "/client.pub", encoding: .utf8)
            try await HostHarness.with(engine: engine, overSSH: true, hostKey: other) { config in
                config.credentials = .init(user: "root", keyFile: server.keyFile)
                config.main.command = ["true"]
            } _: { host in
                try await host.ended()
                let record = try host.record()
                #expect(record.exitCode == 255)
                #expect(record.message.contains("host key"), "\(record.message)")
            }
        }
    }

    @Test("a server in the guest is reached by forward")
    func forward() async throws {
        try await withHost { config in
            // A machine of its own network: nobody is asked at the address of QEMU's.
            config.network.mode = .bridged
        } _: { host, server in
            try await host.reached()
            // The SSH server itself is one.
            let session = try await host.client.forward(port: server.port)
            for try await event in session.events {
                guard case .output(let bytes) = event else { return #expect(Bool(false), "\(event)") }
                #expect(String(buffer: bytes).hasPrefix("SSH-2.0"))
                break
            }
            await session.close()
            await #expect { _ = try await host.client.forward(port: 1) } throws: {
                ($0 as? VZEngineError)?.code == .failed
            }
        }
    }
}
