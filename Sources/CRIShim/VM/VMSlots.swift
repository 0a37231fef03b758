import Synchronization
import VZEngine

/// The host's slots for virtual machines.
final class VMSlots: Sendable {
    /// A sandbox annotation: how many slots its machines need together. All are reserved when the sandbox is made, or none.
    static let annotation = "vzcri.dev/vm-slots"

    private let ledger: Mutex<SlotLedger>
    /// What a reservation without further words is for.
    private let standardGuest: MachineConfig.GuestOS

    init(linux: Int, engine: HostEngine = .current) {
        ledger = Mutex(SlotLedger(totals: [.linux: linux, .macos: engine.macGuests]))
        standardGuest = engine.standardGuest
    }

    var snapshot: SlotLedger { ledger.withLock { $0 } }

    /// How many slots a sandbox asks for.
    /// - Throws: `invalidArgument` when the annotation is no number.
    static func wanted(by record: SandboxRecord) throws -> Int {
        guard let text = record.annotations[annotation] else { return 0 }
        guard let count = Int(text), count >= 0 else {
            throw ShimError(
                .invalidArgument, "the annotation \(annotation) must be a number of machines; it is \"\(text)\"")
        }
        return count
    }

    /// As ``SlotLedger/reserve(_:_:forSandbox:)``, for what the record's annotation says.
    func reserve(for record: SandboxRecord) throws {
        let count = try Self.wanted(by: record)
        try ledger.withLock { try $0.reserve(count, standardGuest, forSandbox: record.id) }
    }

    func restoreReservation(of record: SandboxRecord) throws {
        let count = try Self.wanted(by: record)
        ledger.withLock { $0.restoreReservation(count, standardGuest, forSandbox: record.id) }
    }

    func releaseReservation(ofSandbox id: String) {
        ledger.withLock { $0.releaseReservation(ofSandbox: id) }
    }

    func take(_ guest: MachineConfig.GuestOS, forMachine id: String, inSandbox sandbox: String) throws {
        try ledger.withLock { try $0.take(guest, forMachine: id, inSandbox: sandbox) }
    }

    func restore(_ guest: MachineConfig.GuestOS, forMachine id: String, inSandbox sandbox: String) {
        ledger.withLock { $0.restore(guest, forMachine: id, inSandbox: sandbox) }
    }

    func refused(_ guest: MachineConfig.GuestOS, running: Int) {
        ledger.withLock { $0.refused(guest, running: running) }
    }

    func granted(_ guest: MachineConfig.GuestOS, running: Int) {
        ledger.withLock { $0.granted(guest, running: running) }
    }

    func release(machine id: String) {
        ledger.withLock { $0.release(machine: id) }
    }
}
