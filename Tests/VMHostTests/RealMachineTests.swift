import Foundation
import NIOCore
import NIOPosix
import Processes
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite(
    "vm-host and a real guest",
    .enabled(if: LinuxGuest.canRun && geteuid() == 0, "skipped, because QEMU, apt or root is missing"), .serialized)
struct RealMachineTests {
    @Test("a job: every line once, its code and its time, files both ways, its last words, nothing left behind")
    func job() async throws {
        try await VMHostProcess.with { config, directory in
            for name in ["shared", "secret"] {
                try FileManager.default.createDirectory(
                    atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
            }
            try "from outside".write(toFile: directory + "/shared/in", atomically: true, encoding: .utf8)
            try "secret".write(toFile: directory + "/secret/key", atomically: true, encoding: .utf8)
            config.shares = [
                .init(tag: "shared", source: directory + "/shared", readOnly: false),
                .init(tag: "secret", source: directory + "/secret", readOnly: true),
            ]
            config.mounts = [
                .init(tag: "shared", guestPath: "/mnt/it's shared", readOnly: false),
                .init(tag: "secret", subPath: "key", guestPath: "/etc/app/key", readOnly: true),
            ]
            config.main.command = [
                "sh", "-c",
                """
                cat "/mnt/it's shared/in" /etc/app/key; echo
                echo changed 2>/dev/null > /etc/app/key && echo not protected
                hostname; grep -c pod /etc/hosts
                for i in $(seq 1000); do echo line $i; done
                echo from inside > "/mnt/it's shared/out"
                printf 'all done' > /dev/termination-log
                sleep 600 & exit 42
                """,
            ]
            config.naming.hostname = "hybrid-0"
            config.terminationMessagePath = "/dev/termination-log"
            config.terminationMessageFile = directory + "/last-words"
        } _: { host, directory in
            let outcome = await host.process.wait()
            #expect(outcome.code == 0, "\(outcome.errors)")
            let record = try host.record()
            #expect(record.exitCode == 42, "\(record) \(outcome.errors)")
            #expect(record.startedAt > 0 && record.finishedAt > record.startedAt)
            let lines = try host.logLines()
            #expect(Array(lines.prefix(3)) == ["stdout F from outsidesecret", "stdout F hybrid-0", "stdout F 1"])
            let isWhole = Array(lines.dropFirst(3)) == (1...1000).map { "stdout F line \($0)" }
            #expect(isWhole, "\(lines.count) lines")
            #expect(try String(contentsOfFile: directory + "/shared/out", encoding: .utf8) == "from inside\n")
            #expect(try String(contentsOfFile: directory + "/last-words", encoding: .utf8) == "all done")
            #expect(!FileManager.default.fileExists(atPath: host.bundle.runDirectory))
            #expect(try String(contentsOfFile: host.bundle.console, encoding: .utf8).contains("linux-guest"))
        }
    }

    @Test("the guest itself: exec, a port of its own by forward, a port of the pod at its localhost, reboot, shutdown")
    func guestItself() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.writeAndFlush(ByteBuffer(string: "hello from the pod\n")).whenComplete { _ in
                    channel.close(promise: nil)
                }
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        try await VMHostProcess.with { config, _ in
            config.network.peerPorts = [port]
        } _: { host, _ in
            try await host.reached()
            let result = try await host.exec(["sh", "-c", "echo $0 \"$1\"; exit 9", "a b", "c'd"])
            #expect(result == ("a b c'd\n", 9))

            // The set-up may still go on when the guest is first reached.
            try await eventually("the pod's port is there", within: .seconds(60)) {
                try await host.exec(["sh", "-c", "nc 127.0.0.1 \(port) </dev/null"]).said == "hello from the pod\n"
            }

            let serving = try await host.client.exec(
                GuestExec(command: ["sh", "-c", "echo in the guest | nc -l -p 8080"]))
            try await eventually("the guest's port is there", within: .seconds(60)) {
                do {
                    let session = try await host.client.forward(port: 8080)
                    var said = ""
                    for try await event in session.events {
                        if case .output(let bytes) = event { said += String(buffer: bytes) }
                        if said.contains("\n") { break }
                    }
                    await session.close()
                    return said == "in the guest\n"
                } catch let error as VZEngineError where error.code == .failed {
                    return false
                }
            }
            await serving.close()

            let processes = try await host.client.hello().status.processes
            #expect(!processes.isEmpty)
            let boot = try await host.exec(["cat", "/proc/sys/kernel/random/boot_id"]).said
            // Its session breaks off, or not, depending on who is faster.
            do { _ = try await host.exec(["sh", "-c", "echo b > /proc/sysrq-trigger"]) } catch is VZEngineError {}
            try await eventually("the guest is back, as another boot", within: .seconds(120)) {
                do {
                    return try await host.exec(["cat", "/proc/sys/kernel/random/boot_id"]).said != boot
                } catch is VZEngineError {
                    return false
                }
            }
            let status = try await host.client.hello().status
            #expect(status.phase == .running)
            #expect(status.processes == processes)

            try await host.client.stop(graceSeconds: 60)
            #expect(try host.record().exitCode == 143)
            let outcome = await host.process.wait()
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try host.logLines().contains { $0.contains("linux-guest") })
            for process in processes { #expect(!process.isAlive) }
        }
        try await server.close()
    }

    @Test("a supervisor that is killed takes its machine with it; another one is refused, before and after")
    func killed() async throws {
        try await VMHostProcess.with { config, directory in
            try FileManager.default.createDirectory(atPath: directory + "/shared", withIntermediateDirectories: true)
            config.shares = [.init(tag: "shared", source: directory + "/shared", readOnly: false)]
        } _: { host, _ in
            try await eventually("the machine runs") {
                do { return try await host.client.hello().status.phase == .running } catch { return false }
            }
            let second = await (try VMHostProcess.start(host.bundle)).wait()
            #expect(second.code == 1)
            #expect(second.errors.contains("another supervisor"), "\(second.errors)")

            let processes = try await host.client.hello().status.processes
            #expect(processes.count >= 2, "\(processes)")
            host.process.send(SIGKILL)
            _ = await host.process.wait()
            for process in processes { try await eventually("\(process.id) is gone") { !process.isAlive } }
            #expect(!FileManager.default.fileExists(atPath: host.bundle.exit))
            let third = await (try VMHostProcess.start(host.bundle)).wait()
            #expect(third.code == 1)
            #expect(third.errors.contains("run already"), "\(third.errors)")
        }
    }

    @Test("a kernel that panics is held to be looked at: its last words, its display; commands are refused at once")
    func panicIsHeld() async throws {
        try await VMHostProcess.with { config, _ in
            config.main.command = ["sh", "-c", "sleep 1; echo c > /proc/sysrq-trigger; sleep 600"]
            config.holdOnFailure = 1800
            config.display = .init(width: 640, height: 480, pixelsPerInch: 80)
        } _: { host, directory in
            try await eventually("the machine is held", within: .seconds(120)) {
                do {
                    return try await host.client.hello().status.held != nil
                } catch {
                    return !host.process.isRunning
                }
            }
            let status = try await host.client.hello().status
            #expect(status.phase == .running && status.held?.reason == "GuestPanicked", "\(status)")
            let began = ContinuousClock.now
            let refusal = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await host.exec(["true"])
            }
            #expect(refusal?.code == .guestUnreachable)
            #expect(refusal?.message.contains("panicked") == true)
            #expect(ContinuousClock.now - began < .seconds(10))
            try await host.client.screenshot(to: directory + "/picture.png")
            #expect(try String(contentsOfFile: host.bundle.console, encoding: .utf8).contains("Kernel panic"))
            try await host.client.stop(graceSeconds: 600)
            let record = try host.record()
            #expect(record.exitCode == 1 && record.reason == "GuestPanicked", "\(record)")
            _ = await host.process.wait()
        }
    }

    @Test("a kernel that panics is no crash, and SIGTERM to the supervisor is a stop")
    func panicsAndSignals() async throws {
        try await VMHostProcess.with { config, _ in
            config.main.command = ["sh", "-c", "sleep 1; echo c > /proc/sysrq-trigger; sleep 600"]
        } _: { host, _ in
            _ = await host.process.wait()
            let record = try host.record()
            #expect(record.exitCode == 1)
            #expect(record.reason == "GuestPanicked")
        }
        try await VMHostProcess.with { config, _ in
            config.main.command = ["sh", "-c", "trap 'echo bye; exit 6' TERM; echo up; while :; do sleep 0.2; done"]
        } _: { host, _ in
            try await eventually("the command runs", within: .seconds(120)) {
                (try? host.logLines()) == ["stdout F up"]
            }
            host.process.send(SIGTERM)
            _ = await host.process.wait()
            let record = try host.record()
            #expect(record.exitCode == 6, "\(record) \(host.process.errors)")
            #expect(try host.logLines() == ["stdout F up", "stdout F bye"])
        }
    }
}
