import Foundation
import NIOCore
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("A machine that failed is held")
struct HoldTests {
    private typealias Run = SupervisionTests.Run

    /// What befalls a machine that is to be held for 600 s, and how its container has ended then.
    struct Fate: Sendable, CustomStringConvertible {
        var description: String
        var hasCommand = true
        var keepsDisk = false
        var events: [(Int64, Supervision.Event)]
        /// nil is not held.
        var code: Int32?
        var reason = ""
        /// When it ended, and when the hold began.
        var endedAt: Int64 = 0
        var heldAt: Int64 = 0
    }

    static let fates = [
        Fate(
            description: "a command that failed",
            events: [(2, .commandStarted), (9, .commandEnded(code: 42)), (10, .woundUp)], code: 42, reason: "Error",
            endedAt: 9, heldAt: 10),
        Fate(
            description: "a command that succeeded",
            events: [(2, .commandStarted), (9, .commandEnded(code: 0)), (10, .woundUp)]),
        Fate(
            description: "a command that was lost",
            events: [(2, .commandStarted), (9, .commandLost("x")), (14, .timer)],
            code: 255, reason: "GuestUnreachable", endedAt: 9, heldAt: 14),
        Fate(
            description: "a guest that was never reached", events: [(9, .guestGivenUp("x"))], code: 255,
            reason: "GuestUnreachable", endedAt: 9, heldAt: 9),
        Fate(
            description: "a guest that cannot be set up", events: [(9, .prepareFailed("x"))], code: 128,
            reason: "StartError", endedAt: 9, heldAt: 9),
        Fate(
            description: "a command that was stopped",
            events: [
                (2, .commandStarted), (8, .stopAsked(grace: .seconds(30))), (9, .commandEnded(code: 143)),
                (10, .woundUp),
            ]),
        Fate(
            description: "a guest that panicked: its machine stands still",
            events: [(2, .commandStarted), (9, .machinePanicked("Oops"))], code: 1, reason: "GuestPanicked",
            endedAt: 9, heldAt: 9),
        Fate(
            description: "a guest that panicked under its command, which was lost first",
            events: [(2, .commandStarted), (9, .commandLost("x")), (10, .machinePanicked("Oops"))], code: 1,
            reason: "GuestPanicked", endedAt: 9, heldAt: 10),
        Fate(
            description: "a guest that panicked while it was stopped",
            events: [
                (2, .commandStarted), (8, .stopAsked(grace: .seconds(30))), (9, .machinePanicked("Oops")),
            ]),
        Fate(
            description: "a guest that panicked: its machine is gone",
            events: [(2, .commandStarted), (9, .machineEnded(.panicked(message: "Oops")))]),
    ]

    private func run(_ fate: Fate, keepsDisk: Bool = false, hold: Int? = 600) -> (Run, [Supervision.Action]) {
        var run = Run(command: fate.hasCommand ? ["x"] : [], keepsDisk: keepsDisk, hold: hold)
        run.at(0, .started)
        run.at(0, .addressed)
        run.at(1, .guestReady)
        var last: [Supervision.Action] = []
        for (second, event) in fate.events { last = run.at(second, event) }
        return (run, last)
    }

    @Test("what is held, and what is not", arguments: fates)
    func table(_ fate: Fate) {
        let (run, last) = run(fate)
        guard let code = fate.code else {
            #expect(run.supervision.held == nil)
            return
        }
        #expect(last == [.wake(at: .seconds(fate.heldAt + 600))])
        #expect(run.supervision.phase == .running)
        let held = run.supervision.held
        #expect(held?.exitCode == code && held?.reason == fate.reason)
        #expect(held?.until == 1000 + fate.endedAt + (fate.heldAt + 600 - fate.endedAt) * 1_000_000_000)
        let (unheld, _) = self.run(fate, hold: nil)
        #expect(unheld.supervision.held == nil && unheld.supervision.phase == .stopping)
    }

    @Test("it ends when its time is over, with the code and the moment of its failure", arguments: fates)
    func timeIsOver(_ fate: Fate) {
        guard let code = fate.code else { return }
        var (run, _) = run(fate)
        #expect(run.at(fate.heldAt + 599, .timer) == [])
        #expect(run.at(fate.heldAt + 600, .timer) == [.powerOff])
        guard case .finish(let record)? = run.at(fate.heldAt + 601, .machineEnded(.forced)).first else {
            Issue.record("it has not ended")
            return
        }
        #expect(record.exitCode == code && record.reason == fate.reason && record.finishedAt == 1000 + fate.endedAt)
    }

    @Test("a stop ends it at once, whatever its grace, with its own code", arguments: [Int64(0), 30])
    func stops(_ grace: Int64) {
        var (run, _) = run(Self.fates[0])
        #expect(run.at(20, .stopAsked(grace: .seconds(grace))) == [.powerOff])
        #expect(run.supervision.phase == .stopping && run.supervision.held == nil)
        let end = run.at(21, .machineEnded(.forced))
        #expect(end == [.finish(ExitRecord(exitCode: 42, reason: "Error", startedAt: 1000, finishedAt: 1009))])
    }

    @Test("a disk that is kept is shut down after it as well")
    func keptDisk() {
        var (stopped, _) = run(Self.fates[0], keepsDisk: true)
        #expect(stopped.at(20, .stopAsked(grace: .seconds(5))) == [.pressPowerButton, .wake(at: .seconds(25))])
        #expect(stopped.at(25, .timer) == [.powerOff])
        var (over, _) = run(Self.fates[0], keepsDisk: true)
        #expect(over.at(610, .timer) == [.pressPowerButton, .wake(at: .seconds(630))])
    }

    @Test("a guest that panicked has no button to press, whatever becomes of its disk")
    func panicked() {
        var (run, _) = run(Self.fates[6], keepsDisk: true)
        #expect(run.supervision.held?.message == "Oops")
        #expect(run.at(20, .stopAsked(grace: .seconds(30))) == [.powerOff])
        let end = run.at(21, .machineEnded(.panicked(message: "Oops")))
        #expect(
            end == [
                .finish(
                    ExitRecord(
                        exitCode: 1, reason: "GuestPanicked", message: "Oops", startedAt: 1000, finishedAt: 1009))
            ])
        var (held, _) = self.run(Self.fates[0], keepsDisk: true)
        #expect(held.at(20, .machinePanicked("Oops")) == [])
        #expect(held.supervision.held?.exitCode == 42)
        #expect(held.at(30, .stopAsked(grace: .seconds(30))) == [.powerOff])
        let (gone, last) = self.run(Self.fates[6], hold: nil)
        var unheld = gone
        #expect(last == [.powerOff] && unheld.supervision.held == nil)
        guard case .finish(let record)? = unheld.at(10, .machineEnded(.forced)).first else {
            Issue.record("it has not ended")
            return
        }
        #expect(record.reason == "GuestPanicked" && record.exitCode == 1)
    }

    @Test("a guest that is switched off by whoever looked at it ends with its own code")
    func switchedOff() {
        var (run, _) = run(Self.fates[0])
        let end = run.at(50, .machineEnded(.poweredOff))
        #expect(end == [.finish(ExitRecord(exitCode: 42, reason: "Error", startedAt: 1000, finishedAt: 1009))])
    }

    @Test("a held machine can be looked into, is said to be held, and a stop gives the command's code")
    func looksInside() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "echo bad; exit 9"]
            config.holdOnFailure = 600
        } _: { host in
            try await host.connected()
            try await eventually("the machine is held") { try await host.client.hello().status.held != nil }
            let status = try await host.client.hello().status
            #expect(status.phase == .running && status.held?.exitCode == 9)
            let session = try await host.client.exec(GuestExec(command: ["echo", "still here"]))
            var said = ""
            for try await event in session.events {
                if case .output(let bytes) = event { said += String(buffer: bytes) }
            }
            #expect(said == "still here\n")
            #expect(!FileManager.default.fileExists(atPath: host.bundle.exit))
            try await host.client.stop(graceSeconds: 600)
            try await host.ended()
            #expect(try host.record().exitCode == 9)
            #expect(try host.logLines() == ["stdout F bad"])
        }
    }
}

@Suite("A log that a command in the guest writes")
struct LogCommandTests {
    @Test("its output is the log in place of the console's, and it is begun again when it ends")
    func writesLog() async throws {
        try await HostHarness.with { config in
            config.logCommand = ["sh", "-c", "echo from inside; echo warn >&2; sleep 0.2"]
        } _: {
            host async throws in
            try await host.reached()
            host.engine.machine?.say("console words\n")
            try await eventually("it was begun twice") {
                try host.logLines().count { $0 == "stdout F from inside" } >= 2
            }
            try await host.client.stop(graceSeconds: 0)
            try await host.ended()
            let lines = try host.logLines()
            #expect(!lines.contains { $0.contains("console words") })
            #expect(lines.contains("stderr F warn"))
            let console = try String(contentsOfFile: host.bundle.console, encoding: .utf8)
            #expect(console.contains("console words"))
        }
    }
}
