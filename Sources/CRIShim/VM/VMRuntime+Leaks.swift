import Logging
import Synchronization
import VZEngine
import Waiting

/// Places the host does not grant though nobody of ours has them: another app's machines, or one whose end the system has
/// not noticed.
extension VMRuntime {
    /// How the framework numbers what it says when it runs no more machines (`VZError.virtualMachineLimitExceeded`).
    static let limitExceeded = "(VZError 6)"

    /// A machine has ended: whether the host refused to run it.
    func noteRefusal(_ record: ExitRecord, of machine: ManagedMachine) {
        guard record.reason == "StartError", record.message.contains(Self.limitExceeded) else { return }
        let guest = machine.config.guestOS
        slots.refused(guest, running: running(guest))
        logger.warning(
            "the host runs no more machines though places are free by our count",
            metadata: meta(machine, ["leaked": "\(slots.snapshot.leaks[guest] ?? 0)"]))
    }

    /// A machine runs.
    func noteGrant(of machine: ManagedMachine) {
        let guest = machine.config.guestOS
        slots.granted(guest, running: running(guest))
    }

    private func running(_ guest: MachineConfig.GuestOS) -> Int {
        state.withLock { Array($0.machines.values) }.count {
            $0.config.guestOS == guest && $0.running.isOpen && !$0.supervisorEnded.isOpen && !$0.ended.isOpen
        }
    }
}
