import VZEngine

/// The life of one machine as a container: what happened comes in, what is to be done comes out. Does nothing itself.
struct Supervision: Sendable {
    /// What happened.
    enum Event: Sendable {
        case started
        case startFailed(String)
        /// It is known where the guest will answer.
        case addressed
        /// The guest answers and everything is in place in it: for the first time, or again.
        case guestReady
        /// The guest never answered, and will not be waited for.
        case guestGivenUp(String)
        case commandStarted
        /// The guest could not be set up, or refused the command.
        case prepareFailed(String)
        case commandEnded(code: Int32)
        /// The connection it ran on is gone.
        case commandLost(String)
        /// What the guest had to leave behind is here, as far as it could be had.
        case woundUp
        case machineEnded(MachineEnd)
        /// The guest's kernel gave up; its machine is still there to be looked at.
        case machinePanicked(String)
        case stopAsked(grace: Duration)
        case timer
    }

    /// What is to be done.
    enum Action: Sendable, Hashable {
        /// Run the main command; answered by `commandStarted` or `prepareFailed`, and then the command's end.
        case runCommand
        case terminateCommand
        case pressPowerButton
        /// From inside the guest.
        case shutDownGuest
        /// Answered by `woundUp`, soon in any case.
        case windUp
        case powerOff
        case abandonStart
        /// Send `timer` then.
        case wake(at: Duration)
        case finish(ExitRecord)
    }

    private enum State {
        /// The engine was asked.
        case starting
        /// The machine executes.
        case running
        case commandRunning
        /// The command was lost: does the machine say why?
        case settling(Ending, since: Moment, until: Duration)
        /// The container has ended; the guest is still needed.
        case windingUp(Ending, at: Moment)
        /// The container has failed, and its machine is kept to be looked at.
        case held(Ending, at: Moment, until: Duration)
        /// Waiting for the machine's end. Without an ending of its own the machine's is the container's.
        case goingDown(Ending?, at: Moment?, hardAt: Duration?)
        case ended
    }

    let hasCommand: Bool
    /// Whether the container is of no use without SSH.
    let needsGuest: Bool
    /// A disk that is kept is worth a shutdown.
    let keepsDisk: Bool
    /// macOS only asks whoever sits in front of it what to do when its button is pressed.
    let heedsButton: Bool
    /// How long a machine that failed is kept.
    let holdTime: Duration?

    private var state = State.starting
    private var startedAt: Int64 = 0
    private var hasAddress = false
    private var hasAskedForCommand = false
    private var stopAt: Duration?
    private var hasPanicked = false

    /// The machine's own last words are awaited so long when the connection broke.
    static let settleTime = Duration.seconds(5)
    /// A guest that is not up yet does not notice its button: it is pressed again.
    static let buttonInterval = Duration.seconds(3)
    /// A guest whose work is done has so long to shut down.
    static let shutdownTime = Duration.seconds(20)

    init(_ config: MachineConfig) {
        hasCommand = !config.main.command.isEmpty
        needsGuest = hasCommand || !config.mounts.isEmpty
        keepsDisk = config.keepsDisk
        heedsButton = config.guestOS == .linux
        holdTime = config.holdOnFailure.map { .seconds($0) }
    }

    var phase: MachinePhase {
        switch state {
        case .starting: .starting
        case .running, .commandRunning: stopAt != nil ? .stopping : hasAddress ? .running : .starting
        // Who looks at it finds it running; it may be one that never had an address.
        case .held: hasAddress ? .running : .starting
        case .settling, .windingUp, .goingDown: .stopping
        case .ended: .exited
        }
    }

    /// How the container has ended that is still shown as running; nil when it is none.
    var held: MachineStatus.Held? {
        guard case .held(let ending, let at, let until) = state else { return nil }
        let left = (until - at.elapsed).components
        return .init(
            exitCode: ending.code, reason: ending.reason, message: ending.message,
            until: at.wall + left.seconds * 1_000_000_000 + left.attoseconds / 1_000_000_000)
    }

    mutating func handle(_ event: Event, at now: Moment) -> [Action] {
        switch event {
        case .started: started(now)
        case .startFailed(let message):
            end(stopIsOverdue(now) ? .switchedOff : .startFailed(message), now)
        case .addressed: addressed()
        case .guestReady: guestReady()
        case .guestGivenUp(let message):
            isWaiting && needsGuest ? leave(.unreachable(message), now, now) : []
        case .commandStarted: commandStarted(now)
        case .prepareFailed(let message): isWaiting && stopAt == nil ? leave(.startFailed(message), now, now) : []
        case .commandEnded(let code): commandEnded(.command(code), now)
        case .commandLost(let message): commandLost(message, now)
        case .woundUp: woundUp(now)
        case .machineEnded(let machineEnd): machineEnded(machineEnd, now)
        case .machinePanicked(let message): machinePanicked(message, now)
        case .stopAsked(let grace): stopAsked(grace, now)
        case .timer: timer(now)
        }
    }

    // MARK: Beginning

    private var isWaiting: Bool { if case .running = state { true } else { false } }

    private mutating func started(_ now: Moment) -> [Action] {
        guard case .starting = state else { return [] }
        state = .running
        startedAt = now.wall
        return stopAt == nil ? [] : stop(now)
    }

    private mutating func addressed() -> [Action] {
        hasAddress = true
        return []
    }

    private mutating func guestReady() -> [Action] {
        guard case .running = state, stopAt == nil, hasCommand, !hasAskedForCommand else { return [] }
        hasAskedForCommand = true
        return [.runCommand]
    }

    private mutating func commandStarted(_ now: Moment) -> [Action] {
        guard case .running = state else { return [] }
        state = .commandRunning
        return stopAt == nil ? [] : [.terminateCommand]
    }

    // MARK: The command's end

    private mutating func commandEnded(_ ending: Ending, _ now: Moment) -> [Action] {
        // It may end before its start was noted.
        guard isWaiting || isCommandRunning else { return [] }
        if stopIsOverdue(now) { return goDown(.switchedOff, now) }
        state = .windingUp(ending, at: now)
        return [.windUp]
    }

    private var isCommandRunning: Bool { if case .commandRunning = state { true } else { false } }

    private mutating func commandLost(_ message: String, _ now: Moment) -> [Action] {
        guard isWaiting || isCommandRunning else { return [] }
        let until = now.elapsed + Self.settleTime
        state = .settling(.unreachable(message), since: now, until: until)
        return [.wake(at: until)]
    }

    private mutating func woundUp(_ now: Moment) -> [Action] {
        guard case .windingUp(let ending, let at) = state else { return [] }
        let actions = hold(ending, at, now)
        return actions.isEmpty ? shutDown(ending, at, now) : actions
    }

    /// Keeps a machine that failed, unless it is to stop anyway. Nothing when it is not kept.
    private mutating func hold(_ ending: Ending, _ at: Moment, _ now: Moment) -> [Action] {
        guard let holdTime, ending.code != 0, stopAt == nil else { return [] }
        let until = now.elapsed + holdTime
        state = .held(ending, at: at, until: until)
        return [.wake(at: until)]
    }

    /// The machine is of no more use, but perhaps to be looked at.
    private mutating func leave(_ ending: Ending, _ at: Moment, _ now: Moment) -> [Action] {
        let actions = hold(ending, at, now)
        return actions.isEmpty ? goDown(ending, at) : actions
    }

    private mutating func shutDown(_ ending: Ending, _ at: Moment, _ now: Moment) -> [Action] {
        guard keepsDisk, !hasPanicked else { return goDown(ending, at) }
        let hardAt = min(now.elapsed + Self.shutdownTime, stopAt ?? .seconds(Int64.max))
        state = .goingDown(ending, at: at, hardAt: hardAt)
        return [heedsButton ? .pressPowerButton : .shutDownGuest, .wake(at: hardAt)]
    }

    private mutating func goDown(_ ending: Ending, _ at: Moment) -> [Action] {
        state = .goingDown(ending, at: at, hardAt: nil)
        return [.powerOff]
    }

    // MARK: The machine's end

    private mutating func machineEnded(_ machineEnd: MachineEnd, _ now: Moment) -> [Action] {
        let ofMachine = Ending.machine(machineEnd, wasStopped: stopAt != nil, hadCommand: hasCommand)
        switch state {
        case .starting, .running, .commandRunning: return end(ofMachine, now)
        case .settling(let lost, let since, _):
            // What broke the connection is worth more than that it broke.
            if machineEnd == .poweredOff || machineEnd == .forced {
                return end(stopAt == nil ? lost : ofMachine, since)
            }
            return end(ofMachine, now)
        case .windingUp(let ending, let at), .held(let ending, let at, _): return end(ending, at)
        case .goingDown(let ending, let at, _): return end(ending ?? ofMachine, at ?? now)
        case .ended: return []
        }
    }

    /// Nothing in it answers any more.
    private mutating func machinePanicked(_ message: String, _ now: Moment) -> [Action] {
        hasPanicked = true
        let panic = Ending.machine(.panicked(message: message), wasStopped: false, hadCommand: hasCommand)
        switch state {
        case .running, .commandRunning: return leave(panic, now, now)
        // That is why it was lost.
        case .settling(_, let since, _): return leave(panic, since, now)
        case .windingUp(let ending, let at): return leave(ending, at, now)
        case .goingDown(let ending, let at, .some): return goDown(ending ?? panic, at ?? now)
        case .starting, .held, .goingDown, .ended: return []
        }
    }

    private mutating func end(_ ending: Ending, _ at: Moment) -> [Action] {
        if case .ended = state { return [] }
        state = .ended
        return [.finish(ending.record(startedAt: startedAt, finishedAt: max(at.wall, startedAt)))]
    }

    // MARK: Stopping

    private func stopIsOverdue(_ now: Moment) -> Bool { stopAt.map { now.elapsed >= $0 } ?? false }

    private mutating func stopAsked(_ grace: Duration, _ now: Moment) -> [Action] {
        let isFirst = stopAt == nil
        // Who asks later may shorten the time, never prolong it.
        stopAt = min(stopAt ?? .seconds(Int64.max), now.elapsed + grace)
        if isFirst { return stop(now) }
        return stopIsOverdue(now) ? timer(now) : [.wake(at: stopAt!)]
    }

    /// The first steps of stopping from where things are.
    private mutating func stop(_ now: Moment) -> [Action] {
        // It has ended long ago: nobody is waited for.
        if case .held(let ending, let at, _) = state {
            return stopIsOverdue(now) ? goDown(ending, at) : shutDown(ending, at, now)
        }
        guard let stopAt, now.elapsed < stopAt else { return timer(now) }
        switch state {
        case .running where !heedsButton:
            // An ephemeral disk needs no shutdown; what the guest shares with the host is written before it is switched off.
            state = .windingUp(.stopped, at: now)
            return [.windUp, .wake(at: stopAt)]
        case .running: return [.pressPowerButton, .wake(at: min(stopAt, now.elapsed + Self.buttonInterval))]
        case .commandRunning: return [.terminateCommand, .wake(at: stopAt)]
        case .starting, .settling, .windingUp, .held, .goingDown: return [.wake(at: stopAt)]
        case .ended: return []
        }
    }

    private mutating func timer(_ now: Moment) -> [Action] {
        if case .settling(let ending, let since, let until) = state, now.elapsed >= until {
            return leave(ending, since, now)
        }
        if case .held(let ending, let at, let until) = state, now.elapsed >= until { return shutDown(ending, at, now) }
        if case .goingDown(let ending, let at, let hardAt?) = state, now.elapsed >= hardAt {
            state = .goingDown(ending, at: at, hardAt: nil)
            return [.powerOff]
        }
        guard let stopAt else { return [] }
        guard now.elapsed >= stopAt else {
            guard isWaiting else { return [] }
            return [.pressPowerButton, .wake(at: min(stopAt, now.elapsed + Self.buttonInterval))]
        }
        switch state {
        case .starting: return [.abandonStart]
        case .running, .commandRunning:
            state = .goingDown(nil, at: nil, hardAt: nil)
            return [.powerOff]
        case .settling(let ending, let at, _), .windingUp(let ending, let at), .held(let ending, let at, _):
            return goDown(ending, at)
        case .goingDown(let ending, let at, .some):
            state = .goingDown(ending, at: at, hardAt: nil)
            return [.powerOff]
        case .goingDown, .ended: return []
        }
    }
}
