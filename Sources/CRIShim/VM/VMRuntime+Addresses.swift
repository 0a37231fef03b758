import Logging
import Synchronization
import VZEngine

/// Addresses that machines on a bridge have of their own.
extension VMRuntime {
    /// The bridge for a sandbox's machines; nil when they share the pod's address. A sandbox of the handler `vm` keeps what it
    /// was made with.
    func bridge(for sandbox: SandboxRecord) -> String? {
        sandbox.handler == Self.handler && sandbox.hasGuestAddress != true ? nil : options.bridge
    }

    /// A machine's supervisor knows where it is, for the first time or anew.
    func noteAddress(_ address: String, of machine: ManagedMachine) async {
        let before = machine.state.withLock { $0.launch?.address }
        let sandbox = machine.record.sandboxID
        do {
            try store.updateSandbox(sandbox) { $0.guestAddresses[machine.config.network.index] = address }
        } catch {
            logger.error("showing a machine's address failed", metadata: meta(machine, ["error": "\(error)"]))
        }
        guard address != before else { return }
        await remember(machine) { $0.address = address }
        guard let before else {
            return logger.info("a machine has its address", metadata: meta(machine, ["address": "\(address)"]))
        }
        logger.notice(
            "a machine's address has changed", metadata: meta(machine, ["from": "\(before)", "to": "\(address)"]))
        store.announceChange(of: machine.id, inSandbox: sandbox)
    }

    /// At start: what was told of machines, those that have ended as well, before this program was.
    func restoreAddresses(of machines: [ManagedMachine]) throws {
        let ordered = machines.sorted { ($0.record.createdAt, $0.id) < ($1.record.createdAt, $1.id) }
        for machine in ordered {
            guard let address = machine.state.withLock({ $0.launch?.address }) else { continue }
            try store.updateSandbox(machine.record.sandboxID) {
                $0.guestAddresses[machine.config.network.index] = address
            }
        }
    }
}
