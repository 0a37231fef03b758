import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("The life of a machine as a container")
struct SupervisionTests {
    /// A supervision with a clock of the test's own: one second is one second after another.
    struct Run {
        var supervision: Supervision
        var now: Int64 = 0

        init(
            command: [String] = [], mounts: Bool = false, keepsDisk: Bool = false,
            guestOS: MachineConfig.GuestOS = .linux, hold: Int? = nil
        ) {
            var config = MachineConfig(
                id: "a", sandboxID: "b", boot: .efi(variables: nil), credentials: .init(user: "root"))
            config.main.command = command
            config.guestOS = guestOS
            config.keepsDisk = keepsDisk
            config.holdOnFailure = hold
            if mounts { config.mounts = [.init(tag: "t", guestPath: "/mnt", readOnly: false)] }
            supervision = Supervision(config)
        }

        /// What is to be done after `event` at second `now`.
        @discardableResult
        mutating func at(_ second: Int64, _ event: Supervision.Event) -> [Supervision.Action] {
            now = second
            return supervision.handle(event, at: Moment(wall: 1000 + second, elapsed: .seconds(second)))
        }

        mutating func started(hasCommand: Bool = false) {
            at(0, .started)
            at(0, .addressed)
            at(1, .guestReady)
            if hasCommand { at(2, .commandStarted) }
        }
    }

    private func finish(_ code: Int32, _ reason: String, from start: Int64 = 0, at second: Int64) -> [Supervision
        .Action]
    {
        [.finish(ExitRecord(exitCode: code, reason: reason, startedAt: 1000 + start, finishedAt: 1000 + second))]
    }

    /// The same without what the record says in words.
    private func quiet(_ actions: [Supervision.Action]) -> [Supervision.Action] {
        actions.map { action in
            guard case .finish(var record) = action else { return action }
            record.message = ""
            return .finish(record)
        }
    }

    // MARK: Phases

    @Test("a machine is running when it executes and its address is known")
    func phases() {
        var run = Run()
        #expect(run.supervision.phase == .starting)
        run.at(0, .started)
        #expect(run.supervision.phase == .starting)
        run.at(1, .addressed)
        #expect(run.supervision.phase == .running)
        run.at(2, .stopAsked(grace: .seconds(5)))
        #expect(run.supervision.phase == .stopping)
        run.at(3, .machineEnded(.poweredOff))
        #expect(run.supervision.phase == .exited)
    }

    // MARK: The guest is the container

    @Test(
        "without a command the machine's end is the container's",
        arguments: [
            (MachineEnd.poweredOff, 0, "Completed"), (.panicked(message: "x"), 1, "GuestPanicked"),
            (.crashed(message: "x"), 139, "MachineCrashed"), (.forced, 137, "Error"),
        ] as [(MachineEnd, Int32, String)])
    func machineEnds(end: MachineEnd, code: Int32, reason: String) {
        var run = Run()
        run.started()
        #expect(quiet(run.at(9, .machineEnded(end))) == finish(code, reason, at: 9))
    }

    @Test("a stop presses the button, again and again while nobody notices, and switches off at the deadline")
    func stopWithoutCommand() {
        var run = Run()
        run.started()
        #expect(run.at(10, .stopAsked(grace: .seconds(7))) == [.pressPowerButton, .wake(at: .seconds(13))])
        #expect(run.at(13, .timer) == [.pressPowerButton, .wake(at: .seconds(16))])
        #expect(run.at(16, .timer) == [.pressPowerButton, .wake(at: .seconds(17))])
        #expect(run.at(17, .timer) == [.powerOff])
        #expect(quiet(run.at(18, .machineEnded(.forced))) == finish(137, "Error", at: 18))
    }

    @Test("a guest that shuts down when asked is 143")
    func graceful() {
        var run = Run()
        run.started()
        run.at(10, .stopAsked(grace: .seconds(30)))
        #expect(quiet(run.at(12, .machineEnded(.poweredOff))) == finish(143, "Error", at: 12))
    }

    @Test("a second stop shortens the time and never prolongs it")
    func secondStop() {
        var run = Run()
        run.started()
        run.at(10, .stopAsked(grace: .seconds(60)))
        #expect(run.at(11, .stopAsked(grace: .seconds(100))) == [.wake(at: .seconds(70))])
        #expect(run.at(12, .stopAsked(grace: .seconds(1))) == [.wake(at: .seconds(13))])
        #expect(run.at(13, .timer) == [.powerOff])
    }

    @Test("no grace is no button")
    func noGrace() {
        var run = Run()
        run.started()
        #expect(run.at(10, .stopAsked(grace: .zero)) == [.powerOff])
    }

    @Test("a guest without a command need not be reachable; one with mounts must")
    func givenUp() {
        var free = Run()
        free.at(0, .started)
        #expect(free.at(300, .guestGivenUp("x")) == [])
        var bound = Run(mounts: true)
        bound.at(0, .started)
        #expect(bound.at(300, .guestGivenUp("x")) == [.powerOff])
        #expect(quiet(bound.at(301, .machineEnded(.forced))) == finish(255, "GuestUnreachable", at: 300))
    }

    @Test("a guest without a command may come back as often as it likes")
    func reboot() {
        var run = Run()
        run.started()
        #expect(run.at(9, .guestReady) == [])
        #expect(run.supervision.phase == .running)
    }

    // MARK: A command is the container

    @Test("the command's code and end are the container's; then the guest is wound up and switched off")
    func commandEnds() {
        var run = Run(command: ["x"])
        run.at(0, .started)
        #expect(run.at(1, .guestReady) == [.runCommand])
        // A guest that was away for a moment is not given it twice.
        #expect(run.at(2, .guestReady) == [])
        run.at(2, .commandStarted)
        #expect(run.at(9, .commandEnded(code: 42)) == [.windUp])
        #expect(run.supervision.phase == .stopping)
        #expect(run.at(10, .woundUp) == [.powerOff])
        #expect(run.at(12, .machineEnded(.forced)) == finish(42, "Error", at: 9))
    }

    @Test("a disk that is kept is shut down, but not for ever")
    func keptDisk() {
        var run = Run(command: ["x"], keepsDisk: true)
        run.started(hasCommand: true)
        run.at(9, .commandEnded(code: 0))
        #expect(run.at(10, .woundUp) == [.pressPowerButton, .wake(at: .seconds(30))])
        #expect(run.at(30, .timer) == [.powerOff])
        #expect(run.at(31, .machineEnded(.forced)) == finish(0, "Completed", at: 9))
    }

    @Test("a stop asks the command; its answer counts")
    func stopCommand() {
        var run = Run(command: ["x"])
        run.started(hasCommand: true)
        #expect(run.at(5, .stopAsked(grace: .seconds(10))) == [.terminateCommand, .wake(at: .seconds(15))])
        #expect(run.at(6, .commandEnded(code: 143)) == [.windUp])
        run.at(7, .woundUp)
        #expect(run.at(8, .machineEnded(.forced)) == finish(143, "Error", at: 6))
    }

    @Test("a command that does not listen is switched off with its machine")
    func stubborn() {
        var run = Run(command: ["x"])
        run.started(hasCommand: true)
        run.at(5, .stopAsked(grace: .seconds(10)))
        #expect(run.at(15, .timer) == [.powerOff])
        #expect(run.at(15, .commandLost("gone")) == [])
        #expect(quiet(run.at(16, .machineEnded(.forced))) == finish(137, "Error", at: 16))
    }

    @Test("a stop before the command runs presses the button; a command that starts all the same is asked to end")
    func stopWhileBooting() {
        var run = Run(command: ["x"])
        run.at(0, .started)
        run.at(1, .guestReady)
        #expect(run.at(2, .stopAsked(grace: .seconds(60))) == [.pressPowerButton, .wake(at: .seconds(5))])
        #expect(run.at(3, .commandStarted) == [.terminateCommand])
    }

    @Test("a command that was lost waits for the machine to say why")
    func lost() {
        for (end, code, reason) in [
            (MachineEnd.panicked(message: "x"), 1, "GuestPanicked"), (.crashed(message: "x"), 139, "MachineCrashed"),
            (.poweredOff, 255, "GuestUnreachable"),
        ] as [(MachineEnd, Int32, String)] {
            var run = Run(command: ["x"])
            run.started(hasCommand: true)
            #expect(run.at(5, .commandLost("gone")) == [.wake(at: .seconds(10))])
            let at: Int64 = end == .poweredOff ? 5 : 6
            #expect(quiet(run.at(6, .machineEnded(end))) == finish(code, reason, at: at))
        }
    }

    @Test("a command that was lost in a machine that goes on, because it rebooted say, is unreachable")
    func lostInReboot() {
        var run = Run(command: ["x"])
        run.started(hasCommand: true)
        run.at(5, .commandLost("gone"))
        #expect(run.at(8, .guestReady) == [])
        #expect(run.at(10, .timer) == [.powerOff])
        #expect(quiet(run.at(11, .machineEnded(.forced))) == finish(255, "GuestUnreachable", at: 5))
    }

    @Test("a guest that cannot be set up did not start")
    func setupFails() {
        var run = Run(command: ["x"])
        run.at(0, .started)
        run.at(1, .guestReady)
        #expect(run.at(2, .prepareFailed("no virtiofs")) == [.powerOff])
        #expect(quiet(run.at(3, .machineEnded(.forced))) == finish(128, "StartError", at: 2))
    }

    // MARK: macOS

    @Test("a Mac's button only asks who sits in front of it: an ephemeral one writes what it has and is switched off")
    func stopMac() {
        var run = Run(guestOS: .macos)
        run.started()
        #expect(run.at(5, .stopAsked(grace: .seconds(30))) == [.windUp, .wake(at: .seconds(35))])
        #expect(run.supervision.phase == .stopping)
        #expect(run.at(7, .woundUp) == [.powerOff])
        #expect(quiet(run.at(8, .machineEnded(.forced))) == finish(143, "Error", at: 5))
    }

    @Test("a Mac that does not write in time is switched off; so is one that is still booting")
    func stopSlowMac() {
        var run = Run(guestOS: .macos)
        run.at(0, .started)
        #expect(run.at(5, .stopAsked(grace: .seconds(30))) == [.windUp, .wake(at: .seconds(35))])
        #expect(run.at(35, .timer) == [.powerOff])
        #expect(quiet(run.at(36, .machineEnded(.forced))) == finish(143, "Error", at: 5))
    }

    @Test("a Mac whose disk is kept is shut down from inside, but not for ever")
    func keptMac() {
        var run = Run(command: ["x"], keepsDisk: true, guestOS: .macos)
        run.started(hasCommand: true)
        run.at(9, .commandEnded(code: 0))
        #expect(run.at(10, .woundUp) == [.shutDownGuest, .wake(at: .seconds(30))])
        #expect(run.at(30, .timer) == [.powerOff])
        #expect(run.at(31, .machineEnded(.forced)) == finish(0, "Completed", at: 9))
    }

    // MARK: Starting

    @Test("a machine that did not start never ran")
    func startFails() {
        var run = Run()
        #expect(quiet(run.at(4, .startFailed("x"))) == finish(128, "StartError", from: -1000, at: 4))
    }

    @Test("a stop of a machine that is being started waits for it, and abandons it at the deadline")
    func stopWhileStarting() {
        var run = Run()
        #expect(run.at(1, .stopAsked(grace: .seconds(5))) == [.wake(at: .seconds(6))])
        #expect(run.at(2, .started) == [.pressPowerButton, .wake(at: .seconds(5))])
        var stuck = Run()
        stuck.at(1, .stopAsked(grace: .seconds(5)))
        #expect(stuck.at(6, .timer) == [.abandonStart])
        #expect(quiet(stuck.at(7, .startFailed("cancelled"))) == finish(137, "Error", from: -1000, at: 7))
    }

    @Test("whatever comes in whatever order, the container ends once and the machine is not left running")
    func anyOrder() {
        var random = Faults.random("supervision")
        for _ in 0..<(Faults.rounds * 200) {
            var run = Run(
                command: Bool.random(using: &random) ? ["x"] : [], keepsDisk: .random(using: &random),
                hold: [nil, 3, 100].randomElement(using: &random)!)
            let events: [Supervision.Event] = [
                .started, .addressed, .guestReady, .guestGivenUp("x"), .commandStarted, .prepareFailed("x"),
                .commandEnded(code: 3), .commandLost("x"), .woundUp, .stopAsked(grace: .seconds(2)), .timer, .timer,
            ]
            var actions: [Supervision.Action] = []
            run.at(0, .started)
            for second in 1...30 { actions += run.at(Int64(second), events.randomElement(using: &random)!) }
            // In the end it is stopped without mercy, and ends.
            actions += run.at(31, .stopAsked(grace: .zero))
            #expect(actions.contains(.powerOff), "\(actions)")
            actions += run.at(32, .machineEnded(.forced))
            actions += run.at(33, .machineEnded(.crashed(message: "again")))
            let ends = actions.filter { if case .finish = $0 { true } else { false } }
            #expect(ends.count == 1, "\(actions)")
            #expect(run.supervision.phase == .exited)
        }
    }
}
