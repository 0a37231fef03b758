import VZEngine

/// How the container ended, but for when.
struct Ending: Sendable, Hashable {
    var code: Int32
    var reason: String
    var message: String

    private init(_ code: Int32, _ reason: String, _ message: String = "") {
        self.code = code
        self.reason = reason
        self.message = message
    }

    /// The main command's own end.
    static func command(_ code: Int32) -> Ending { Ending(code, code == 0 ? "Completed" : "Error") }

    static func startFailed(_ message: String) -> Ending { Ending(128, "StartError", message) }
    static func unreachable(_ message: String) -> Ending { Ending(255, "GuestUnreachable", message) }

    /// The reason of one whose kernel gave up.
    static let panicked = "GuestPanicked"

    static let switchedOff = Ending(137, "Error", "the machine was switched off: its time to stop was over")

    static let stopped = Ending(143, "Error", "the machine was switched off when it was asked to stop")

    /// The end of a machine whose container had no end of its own by then.
    static func machine(_ end: MachineEnd, wasStopped: Bool, hadCommand: Bool) -> Ending {
        switch end {
        case .panicked(let message): Ending(1, panicked, message)
        case .crashed(let message): Ending(139, "MachineCrashed", message)
        case .forced: switchedOff
        case .poweredOff where wasStopped: Ending(143, "Error", "the guest shut down when it was asked to")
        case .poweredOff where hadCommand:
            unreachable("the guest switched itself off before its command had ended")
        case .poweredOff: Ending(0, "Completed")
        }
    }

    func record(startedAt: Int64, finishedAt: Int64) -> ExitRecord {
        ExitRecord(exitCode: code, reason: reason, message: message, startedAt: startedAt, finishedAt: finishedAt)
    }
}
