import Proto
import Synchronization

/// After a restart a runtime's part of the store is not known until that runtime has answered. Saying that nothing runs
/// would make a caller start it again: whatever concerns that part throws until then. The rest is answered.
extension StateStore {
    /// Until ``becomeComplete(_:)`` what concerns the runtime's objects throws `reason`.
    func beIncomplete(_ runtime: String, because reason: ShimError) {
        state.withLock { $0.incomplete[runtime] = reason }
    }

    func becomeComplete(_ runtime: String) {
        let bereft = state.withLock { state in
            state.incomplete[runtime] = nil
            return state.sandboxes.values.map(\.entry).filter { $0.record.runtime == runtime && $0.needsHolderAgain }
        }
        for sandbox in bereft { holderLossesIn.yield(sandbox.id) }
    }

    /// - Throws: what ``beIncomplete(_:because:)`` was given for a runtime that holds the sandbox.
    func requireKnown(_ sandbox: SandboxEntry) throws {
        try state.withLock { try $0.requireKnown(sandbox) }
    }

    /// As ``requireKnown(_:)``, for a runtime's containers.
    func requireKnown(runtime: String) throws {
        if let reason = state.withLock({ $0.incomplete[runtime] }) { throw reason }
    }

    /// Before a container is said not to exist: it could be one of an unknown part.
    func requireContainersKnown(for id: String) throws {
        try state.withLock { state in
            if state.containers[id] != nil { return }
            if let reason = state.unknownContainers { throw reason }
        }
    }

    /// Before a list of sandboxes: throws when one of them would be shown in a state that is not known.
    func requireSandboxesKnown(matching filter: CRI.PodSandboxFilter?) throws {
        try state.withLock { state in
            guard !state.incomplete.isEmpty else { return }
            var filter = filter
            filter?.state = nil
            for slot in state.sandboxes.values where filter.map(slot.entry.matches) ?? true {
                try state.requireKnown(slot.entry)
            }
        }
    }

    /// Before a list of containers: throws when some could be missing.
    func requireContainersKnown(matching filter: CRI.ContainerFilter?) throws {
        try state.withLock { state in
            guard let reason = state.unknownContainers else { return }
            if let id = filter?.id, !id.isEmpty, state.containers.keys.contains(where: { $0.hasPrefix(id) }) { return }
            if let id = filter?.podSandboxId, !id.isEmpty {
                let sandboxes = state.sandboxes.values.map(\.entry).filter { $0.id.hasPrefix(id) }
                for sandbox in sandboxes { try state.requireKnown(sandbox) }
                if !sandboxes.isEmpty { return }
            }
            throw reason
        }
    }
}

extension StateStore.State {
    fileprivate func requireKnown(_ sandbox: SandboxEntry) throws {
        guard let runtime = sandbox.record.runtime, let reason = incomplete[runtime] else { return }
        throw reason
    }

    /// Why containers may exist that are not in the store; nil when none can: containers have a sandbox, and a sandbox
    /// with such containers names their runtime.
    fileprivate var unknownContainers: ShimError? {
        guard !incomplete.isEmpty else { return nil }
        for slot in sandboxes.values {
            if let runtime = slot.entry.record.runtime, let reason = incomplete[runtime] { return reason }
        }
        return nil
    }

    /// Notes whether a machine of a sandbox runs.
    mutating func noteMachine(_ machine: ContainerEntry) {
        updateMachines(of: machine) { machines in
            if machine.phase == .running { machines.insert(machine.id) } else { machines.remove(machine.id) }
        }
    }

    mutating func forgetMachine(_ machine: ContainerEntry) {
        updateMachines(of: machine) { $0.remove(machine.id) }
    }

    private mutating func updateMachines(of machine: ContainerEntry, _ change: (inout Set<String>) -> Void) {
        guard let slot = sandboxes[machine.sandboxID] else { return }
        var entry = slot.entry
        change(&entry.machines)
        guard entry.machines != slot.entry.machines else { return }
        sandboxes[machine.sandboxID]?.entry = entry
        // Only a sandbox whose holder is dead looks different for it.
        guard entry.isReady != slot.entry.isReady else { return }
        // Never fails: the same texts were encoded before.
        if let element = try? StateStore.element(entry.listed) { sandboxes[machine.sandboxID]?.element = element }
        sandboxList = nil
        announce(entry, before: slot.entry)
    }
}
