import VZEngine

/// Who has which of the host's slots for virtual machines: pure bookkeeping, without waiting and without I/O.
///
/// A machine takes a slot when its container is created and gives it back when its processes are gone. A sandbox may
/// reserve slots: its machines take those first, and give them back to it.
struct SlotLedger: Sendable, Equatable {
    typealias Guest = MachineConfig.GuestOS

    struct Reservation: Sendable, Equatable {
        var guest: Guest
        var count: Int
    }

    struct Machine: Sendable, Equatable {
        var guest: Guest
        var sandbox: String
        /// Whether its slot is one of its sandbox's reserved ones.
        var isReserved: Bool
    }

    /// How many machines of each kind may exist.
    private(set) var totals: [Guest: Int]
    private(set) var reservations: [String: Reservation] = [:]
    private(set) var machines: [String: Machine] = [:]
    /// Slots that are free by our count and that the host refused all the same, by what it granted last.
    private(set) var leaks: [Guest: Int] = [:]

    init(totals: [Guest: Int]) { self.totals = totals }

    func total(_ guest: Guest) -> Int { totals[guest] ?? 0 }

    /// Slots that somebody has: reserved ones, used or not, and those of machines without a reservation.
    func taken(_ guest: Guest) -> Int {
        reservations.values.reduce(0) { $0 + ($1.guest == guest ? $1.count : 0) }
            + machines.values.count { $0.guest == guest && !$0.isReserved }
    }

    func free(_ guest: Guest) -> Int { total(guest) - taken(guest) }

    /// Reserves all of a sandbox's slots or none. Done again: nothing.
    /// - Throws: `invalidArgument` when the host never has that many; `exhausted` when it has not now.
    mutating func reserve(_ count: Int, _ guest: Guest, forSandbox sandbox: String) throws {
        guard reservations[sandbox] == nil, count > 0 else { return }
        guard count <= total(guest) else {
            throw ShimError(
                .invalidArgument,
                "the pod asks for \(count) slots for \(guest.rawValue) machines, this host has \(total(guest)) in all: "
                    + "split the pod, or run it elsewhere")
        }
        guard count <= free(guest) else {
            throw waiting("\(count) \(guest.rawValue) machines", guest)
        }
        reservations[sandbox] = Reservation(guest: guest, count: count)
    }

    /// What a restart finds on disk is so, whether it fits or not.
    mutating func restoreReservation(_ count: Int, _ guest: Guest, forSandbox sandbox: String) {
        guard count > 0, reservations[sandbox] == nil else { return }
        reservations[sandbox] = Reservation(guest: guest, count: count)
    }

    /// Gives a sandbox's reservation back. Its machines that still exist keep their slots.
    mutating func releaseReservation(ofSandbox sandbox: String) {
        guard reservations.removeValue(forKey: sandbox) != nil else { return }
        for (id, machine) in machines where machine.sandbox == sandbox && machine.isReserved {
            machines[id]?.isReserved = false
        }
    }

    /// Gives a machine a slot: a reserved one of its sandbox, else a free one. Done again: nothing.
    /// - Throws: `exhausted` with a message that begins with `WaitingForVMSlot:`.
    mutating func take(_ guest: Guest, forMachine id: String, inSandbox sandbox: String) throws {
        guard machines[id] == nil else { return }
        let isReserved = hasReservedSlot(guest, sandbox)
        guard isReserved || free(guest) > 0 else { throw waiting("a \(guest.rawValue) machine", guest) }
        machines[id] = Machine(guest: guest, sandbox: sandbox, isReserved: isReserved)
    }

    /// A machine that a restart finds has its slot, whether it fits or not.
    mutating func restore(_ guest: Guest, forMachine id: String, inSandbox sandbox: String) {
        guard machines[id] == nil else { return }
        machines[id] = Machine(guest: guest, sandbox: sandbox, isReserved: hasReservedSlot(guest, sandbox))
    }

    /// Takes a machine's slot back. One that has none: nothing.
    mutating func release(machine id: String) {
        machines[id] = nil
    }

    /// The host would not run one more machine.
    /// - Parameter running: how many of ours ran then.
    mutating func refused(_ guest: Guest, running: Int) {
        leaks[guest] = max(leaks[guest] ?? 0, max(0, total(guest) - running))
    }

    /// The host runs as many of ours.
    mutating func granted(_ guest: Guest, running: Int) {
        guard let leaked = leaks[guest] else { return }
        let left = min(leaked, max(0, total(guest) - running))
        leaks[guest] = left > 0 ? left : nil
    }

    private func hasReservedSlot(_ guest: Guest, _ sandbox: String) -> Bool {
        guard let reservation = reservations[sandbox], reservation.guest == guest else { return false }
        return machines.values.count { $0.sandbox == sandbox && $0.isReserved } < reservation.count
    }

    private func waiting(_ what: String, _ guest: Guest) -> ShimError {
        ShimError(
            .exhausted,
            "WaitingForVMSlot: \(what) cannot be had now: \(taken(guest)) of this host's \(total(guest)) slots are taken; "
                + "one becomes free when a machine has ended")
    }
}
