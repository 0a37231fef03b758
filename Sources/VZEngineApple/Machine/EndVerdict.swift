import VZEngine

/// Why a machine ended: what the framework, the console and its owner say, put together. No I/O.
struct EndVerdict {
    private var cause: MachineEnd?
    private var panic: String?

    /// The first cause counts: what follows is how the machine goes down.
    private mutating func note(_ end: MachineEnd) {
        if cause == nil { cause = end }
    }

    mutating func powerOffRequested() { note(.forced) }

    mutating func guestStopped() { note(.poweredOff) }

    mutating func failed(_ message: String) { note(.crashed(message: message)) }

    /// The console had the kernel's last words.
    mutating func consolePanicked(_ message: String) { if panic == nil { panic = message } }

    /// A while later it still runs: nothing but its owner will end it.
    mutating func outlivedPanic() { if let panic { note(.panicked(message: panic)) } }

    var end: MachineEnd {
        switch cause {
        case .forced: .forced
        // However it goes down after its last words: that is why.
        case .poweredOff: panic.map { .panicked(message: $0) } ?? .poweredOff
        case .crashed(let message): panic.map { .panicked(message: $0) } ?? .crashed(message: message)
        case .panicked(let message): .panicked(message: message)
        case nil: panic.map { .panicked(message: $0) } ?? .crashed(message: "the machine ended, and nobody said why")
        }
    }
}
