import Foundation
import NIOCore
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("A supervisor and its machine")
struct SupervisorTests {
    @Test("a command's output is in the log once and in order, its code is the container's, and the machine is gone")
    func commandRuns() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "for i in $(seq 1000); do echo line $i; done; echo bad >&2; exit 42"]
        } _: { host in
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == 42)
            #expect(record.reason == "Error")
            #expect(record.startedAt > 0)
            #expect(record.finishedAt >= record.startedAt)
            let lines = try host.logLines()
            #expect(lines.filter { $0.hasPrefix("stdout ") } == (1...1000).map { "stdout F line \($0)" })
            #expect(lines.filter { $0.hasPrefix("stderr ") } == ["stderr F bad"])
            #expect(host.engine.machine?.hasEnded == true)
            #expect(!FileManager.default.fileExists(atPath: host.bundle.runDirectory))
        }
    }

    @Test("the environment and the working directory are the command's")
    func environment() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "echo $COLOUR; pwd; printf end"]
            config.main.environment = ["COLOUR": "green blue"]
            config.main.workingDirectory = "/usr"
        } _: { host in
            try await host.ended()
            #expect(try host.logLines() == ["stdout F green blue", "stdout F /usr", "stdout P end"])
            #expect(try host.record().reason == "Completed")
        }
    }

    @Test("the guest is set up before the command runs")
    func setUp() async throws {
        try await HostHarness.with { config in
            config.main.command = ["true"]
            config.naming.hostname = "pod-1"
        } _: { host in
            try await host.ended()
            #expect(host.guest.setups.count == 1)
            #expect(host.guest.setups.first?.contains("pod-1") == true)
        }
    }

    @Test("a guest that cannot be set up is a start error with its words")
    func setUpFails() async throws {
        try await HostHarness.with(isBooted: false) { config in
            config.main.command = ["true"]
        } _: { host in
            host.guest.failSetup("vzcri: no virtiofs here")
            host.guest.boot()
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == 128)
            #expect(record.reason == "StartError")
            #expect(record.message.contains("no virtiofs here"))
        }
    }

    @Test("a command that the guest does not know ends as in a shell; one that cannot begin is a start error")
    func noSuchCommand() async throws {
        try await HostHarness.with { config in
            config.main.command = ["/no/such/program"]
        } _: { host in
            try await host.ended()
            #expect(try host.record().exitCode == 127)
        }
        try await HostHarness.with { config in
            config.main.command = ["true"]
            config.main.workingDirectory = "/no/such/directory"
        } _: { host in
            try await host.ended()
            #expect(try host.record().exitCode == 128)
            #expect(try host.record().reason == "StartError")
        }
    }

    @Test("a machine that does not start says why")
    func startFails() async throws {
        let engine = FakeEngine(failure: VZEngineError(.portInUse, "port 80 is taken"))
        try await HostHarness.with(engine: engine) { _ in
        } _: { host in
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == 128)
            #expect(record.message.contains("port 80 is taken"))
            #expect(record.startedAt == 0)
        }
    }

    @Test("watchers see the machine run, its guest answer, and its end; then the supervisor is gone")
    func watched() async throws {
        try await HostHarness.with(isBooted: false) { config in
            config.main.command = ["sh", "-c", "exit 7"]
        } _: { host in
            try await host.connected()
            var seen: [MachineStatus] = []
            for try await status in try await host.client.watch() {
                seen.append(status)
                if status.phase == .running, !status.wasReachable { host.guest.boot() }
            }
            #expect(seen.last?.phase == .exited)
            #expect(seen.last?.exit?.exitCode == 7)
            #expect(seen.last?.exit == (try host.record()))
            #expect(seen.contains { $0.phase == .running && $0.isReachable })
            #expect(seen.allSatisfy { $0.phase == .starting || $0.phase == .exited || $0.startedAt > 0 })
            try await host.ended()
        }
    }

    @Test("a guest without a command lives until it powers off; its console is the log, and is kept with times")
    func console() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            let machine = try #require(host.engine.machine)
            machine.say("booting\nlog")
            machine.say("in: ")
            machine.end(.poweredOff)
            try await host.ended()
            #expect(try host.record().exitCode == 0)
            #expect(try host.logLines() == ["stdout F booting", "stdout P login: "])
            let console = try String(contentsOfFile: host.bundle.console, encoding: .utf8).split(separator: "\n")
            #expect(console.map { $0.split(separator: " ", maxSplits: 1)[1] } == ["booting", "login: "])
        }
    }

    @Test("stop ends a command by its signal, and returns when everything is over")
    func stopCommand() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"]
        } _: { host in
            try await host.reached()
            try await eventually("the command runs") { (try? host.logLines()) == ["stdout F up"] }
            try await host.client.stop(graceSeconds: 60)
            #expect(try host.record().exitCode == 5)
            // The shell may say on standard error what became of its children.
            #expect(try host.logLines().filter { $0.hasPrefix("stdout") } == ["stdout F up", "stdout F bye"])
            try await host.ended()
        }
    }

    @Test(
        "a command that ignores the signal is switched off at the deadline; a hurried second stop does not wait for it")
    func stubborn() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done"]
        } _: { host in
            try await host.reached()
            try await eventually("the command runs") { (try? host.logLines()) == ["stdout F up"] }
            async let patient: Void = host.client.stop(graceSeconds: 600)
            try await host.client.stop(graceSeconds: 1)
            try await patient
            #expect(try host.record().exitCode == 137)
            try await host.ended()
        }
    }

    @Test("a guest that shuts down when asked is 143; one that does not is 137")
    func stopGuest() async throws {
        for (heeds, grace, code) in [(true, 60, 143), (false, 1, 137)] as [(Bool, Int64, Int32)] {
            try await HostHarness.with(engine: FakeEngine(heedsButton: heeds)) { _ in
            } _: { host in
                try await host.reached()
                try await host.client.stop(graceSeconds: grace)
                #expect(try host.record().exitCode == code)
                #expect(host.engine.machine?.presses ?? 0 > 0)
                try await host.ended()
            }
        }
    }

    @Test("panics and crashes end the container as such, also while a command runs")
    func ends() async throws {
        for (end, code) in [(MachineEnd.panicked(message: "oops"), 1), (.crashed(message: "killed"), 139)]
            as [(
                MachineEnd, Int32
            )]
        {
            try await HostHarness.with { config in
                config.main.command = ["sleep", "600"]
            } _: { host in
                try await host.reached()
                host.engine.machine?.end(end)
                host.guest.vanish()
                try await host.ended()
                #expect(try host.record().exitCode == code)
            }
        }
    }

    @Test("a guest that is never reachable is given up, when it must be reached")
    func neverReachable() async throws {
        try await HostHarness.with(isBooted: false) { config in
            config.main.command = ["true"]
            config.readinessTimeout = 1
        } _: { host in
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == 255)
            #expect(record.reason == "GuestUnreachable")
        }
    }

    @Test(
        "without an address a guest is unreachable, unless that is so because its machine died",
        arguments: [false, true])
    func noAddress(dies: Bool) async throws {
        try await HostHarness.with(engine: FakeEngine(address: nil)) { config in
            config.main.command = ["true"]
        } _: { host in
            if dies {
                try await eventually("the machine is made") { host.engine.machine != nil }
                host.engine.machine?.end(.crashed(message: "killed"))
            }
            try await host.ended()
            let record = try host.record()
            #expect(record.exitCode == (dies ? 139 : 255))
            #expect(record.reason == (dies ? "MachineCrashed" : "GuestUnreachable"))
        }
    }

    @Test("a guest that reboots goes on as the same container and is set up again")
    func reboot() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            try await eventually("it is set up") { host.guest.setups.count == 1 }
            host.guest.vanish()
            try await eventually("it is not reachable") { try await !host.client.hello().status.isReachable }
            host.guest.boot()
            try await eventually("it is reachable again") { try await host.client.hello().status.isReachable }
            try await eventually("it is set up again") { host.guest.setups.count == 2 }
            #expect(try await host.client.hello().status.phase == .running)
        }
    }

    @Test("a guest that is lost while it is set up is set up when it is back, and then runs its command")
    func lostInSetup() async throws {
        try await HostHarness.with(isBooted: false) { config in
            config.main.command = ["sh", "-c", "exit 42"]
        } _: { host in
            host.guest.loseSetups(2)
            host.guest.boot()
            try await host.ended()
            #expect(host.guest.setups.count == 3)
            #expect(try host.record().exitCode == 42)
        }
    }

    @Test("a command that the guest was not given is given to it again, and runs once")
    func notBegun() async throws {
        try await HostHarness.with(isBooted: false) { config in
            config.main.command = ["sh", "-c", "echo once; exit 42"]
        } _: { host in
            host.guest.refusePrograms(3)
            host.guest.boot()
            try await host.ended()
            #expect(try host.record().exitCode == 42)
            #expect(try host.logLines() == ["stdout F once"])
        }
    }

    @Test("a guest that cannot be given its command in time is unreachable")
    func neverBegun() async throws {
        try await HostHarness.with(isBooted: false) { config in
            config.main.command = ["true"]
            config.readinessTimeout = 1
        } _: { host in
            host.guest.refusePrograms(.max)
            host.guest.boot()
            try await host.ended()
            #expect(try host.record().reason == "GuestUnreachable")
        }
    }

    @Test("a machine that says its guest restarts is not waited for on old connections")
    func restarted() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            let session = try await host.client.exec(GuestExec(command: ["sleep", "600"]))
            host.guest.boot()
            host.engine.machine?.change(.restarted)
            var isLost = false
            for try await event in session.events { if case .failed = event { isLost = true } }
            #expect(isLost)
            try await eventually("it is set up again") { host.guest.setups.count == 2 }
            #expect(try await host.client.hello().status.phase == .running)
        }
    }

    @Test("after a restart nothing runs in the guest until it is set up again")
    func execAfterRestart() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            for restart in 1...3 {
                host.guest.vanish()
                host.engine.machine?.change(.restarted)
                try await eventually("the restart is known") { try await !host.client.hello().status.isReachable }
                await #expect {
                    _ = try await host.client.exec(GuestExec(command: ["true"], timeoutSeconds: 1))
                } throws: {
                    ($0 as? VZEngineError)?.code == .deadline
                }
                async let session = host.client.exec(GuestExec(command: ["echo", "hello"]))
                host.guest.loseSetups(1)
                host.guest.boot()
                var output = ""
                for try await case .output(let bytes) in try await session.events {
                    output += String(buffer: bytes)
                    #expect(host.guest.setups.count == 1 + 2 * restart, "one set-up is lost each time")
                }
                #expect(output == "hello\n")
            }
        }
    }

    @Test(
        "a machine is paused and resumed for clients, and who watches hears of that, and of a machine that waits by itself"
    )
    func standsStill() async throws {
        // Its clock is this host's.
        try await HostHarness.with {
            $0.guestOS = .macos
        } _: { host in
            try await host.reached()
            var watch = try await host.client.watch().makeAsyncIterator()
            func next(_ isMeant: (MachineStatus) -> Bool) async throws {
                while let status = try await watch.next(), !isMeant(status) {}
            }
            try await host.client.pause()
            #expect(host.engine.machine?.isPaused == true)
            try await next { $0.isPaused == true }
            try await host.client.resume()
            #expect(host.engine.machine?.isPaused == false)
            try await next { $0.isPaused == nil }
            host.engine.machine?.change(.stalled(reason: "the disk is full"))
            try await next { $0.stalled == "the disk is full" }
            host.engine.machine?.change(.resumed)
            try await next { $0.stalled == nil }
            #expect(try await host.client.statistics().diskReadBytes == 17)
            await #expect { try await host.client.save(to: "/x") } throws: {
                ($0 as? VZEngineError)?.code == .unsupported
            }
        }
    }

    @Test("a paused machine goes on to be stopped, and is not paused again")
    func stoppedWhilePaused() async throws {
        try await HostHarness.with {
            $0.guestOS = .macos
        } _: { host in
            try await host.reached()
            try await host.client.pause()
            try await host.client.stop(graceSeconds: 30)
            try await host.ended()
            #expect(try host.record().exitCode == 143)
            #expect(host.engine.machine?.isPaused == false)
        }
    }

    @Test("what the command left behind is fetched before its end is known")
    func terminationMessage() async throws {
        try await withTemporaryDirectory { directory in
            try await HostHarness.with { config in
                config.main.command = ["sh", "-c", "printf 'it was the disk' > \(directory)/last; exit 3"]
                config.terminationMessagePath = directory + "/last"
            } _: { host in
                try await host.ended()
                #expect(host.termination == "it was the disk")
                #expect(try host.record().exitCode == 3)
            }
        }
    }

    @Test("a second supervisor is refused, and so is a second life")
    func oneLife() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            await #expect { try await HostHarness.start(host.bundle, host.engine, host.guest) } throws: {
                ($0 as? VZEngineError)?.message.contains("another supervisor") == true
            }
            #expect(try await host.client.hello().status.phase == .running)
            try await host.client.stop(graceSeconds: 1)
            try await host.ended()
            await #expect { try await HostHarness.start(host.bundle, host.engine, host.guest) } throws: {
                ($0 as? VZEngineError)?.message.contains("run already") == true
            }
        }
    }

    @Test("a configuration of a newer program is refused by its number")
    func newerConfig() {
        let bytes = Array(#"{"schema": 99, "new": true}"#.utf8)
        let error = #expect(throws: VZEngineError.self) { try Records.config(from: bytes, at: "config.json") }
        #expect(error?.code == .badRecord)
        #expect(error?.message.contains("99") == true)
    }

    @Test("a log that was renamed is gone on with in a new file")
    func rotation() async throws {
        try await withTemporaryDirectory { directory in
            try await HostHarness.with { config in
                config.main.command = [
                    "sh", "-c", "echo one; while [ ! -e \(directory)/go ]; do sleep 0.02; done; echo two",
                ]
            } _: { host in
                try await host.reached()
                try await eventually("the first line") { (try? host.logLines()) == ["stdout F one"] }
                try FileManager.default.moveItem(atPath: host.log, toPath: host.log + ".1")
                try await host.client.reopenLog()
                #expect(FileManager.default.createFile(atPath: directory + "/go", contents: nil))
                try await host.ended()
                #expect(try host.logLines() == ["stdout F two"])
            }
        }
    }
}
