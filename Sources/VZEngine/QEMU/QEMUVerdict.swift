import Processes

/// Why a machine ended: what its monitor, its console and its processes say, put together. No I/O.
struct QEMUVerdict {
    /// What is to be done about an event.
    enum Action: Equatable {
        case nothing
        case kill
        /// It has stopped: ask it why, and tell ``stopped(status:)``.
        case askStatus
        /// A disk of the host is full: let it go on later, when there may be room.
        case resumeLater
        /// It was told to stand still.
        case resumeUnlessHeld
    }

    private var cause: MachineEnd?
    /// The console's last words.
    private(set) var panic: String?
    private var isForced = false

    /// The first cause counts: what follows is how the machine goes down.
    private mutating func note(_ end: MachineEnd) {
        if cause == nil { cause = end }
    }

    mutating func powerOffRequested() {
        note(.forced)
        isForced = true
    }

    /// The console had the kernel's last words.
    mutating func consolePanicked(_ message: String) { if panic == nil { panic = message } }

    /// It is kept as it is: the kernel's words are the end, and what stops it then is no accident.
    mutating func keepPanicked() { note(.panicked(message: "")) }

    /// A while later it still runs: its kernel does not restart by itself, and has no device to tell us.
    mutating func outlivedPanic() -> Action { panic == nil ? .nothing : .kill }

    mutating func monitorSaid(_ event: QMPEvent) -> Action {
        switch event.name {
        case .guestPanicked:
            note(.panicked(message: ""))
            return .nothing
        case .shutdown:
            switch event.reason {
            case "guest-panic": note(.panicked(message: ""))
            case "host-qmp-quit": note(.forced)
            case "host-signal": note(.crashed(message: "a signal from this host ended QEMU"))
            case "host-error", "subsystem-reset", "host-ui":
                note(.crashed(message: "QEMU failed: \(event.reason ?? "")"))
            default: note(.poweredOff)
            }
            return .nothing
        case .reset:
            // A guest that restarts goes on living, unless it does so out of a panic.
            return panic == nil ? .nothing : .kill
        case .stop: return cause == nil ? .askStatus : .nothing
        case .resume, .blockError: return .nothing
        }
    }

    /// What it says it is, having stopped.
    mutating func stopped(status: String) -> Action {
        switch status {
        case "internal-error":
            note(.crashed(message: "the processor's virtualization failed (KVM internal error)"))
            return .kill
        case "io-error": return .resumeLater
        case "paused": return .resumeUnlessHeld
        default: return .nothing
        }
    }

    mutating func shareServerEnded(_ what: String) -> Action {
        note(.crashed(message: what))
        return .kill
    }

    mutating func isHung(_ what: String) -> Action {
        note(.crashed(message: what))
        return .kill
    }

    /// Once its process has ended.
    func end(_ process: ProcessEnd, errors: String) -> MachineEnd {
        let words = errors.isEmpty ? "" : ": \(errors)"
        switch cause {
        case .forced: return .forced
        case .poweredOff:
            guard process.isSuccess || isForced else {
                return .crashed(message: "QEMU ended with \(process) while the guest powered off\(words)")
            }
            return .poweredOff
        case .panicked: return .panicked(message: panic ?? "the guest's kernel panicked")
        case .crashed(let message): return .crashed(message: message + words)
        case nil:
            if let panic { return .panicked(message: panic) }
            return .crashed(message: "QEMU ended with \(process)\(words)")
        }
    }
}
