import Logging
import Synchronization
import VZEngine
import Waiting

/// Why a machine stands still. It goes on when the last reason has gone.
enum MachineHold: String, Sendable, Hashable, CaseIterable { case checkpoint, diskPressure }

extension VMRuntime {
    /// Makes a machine stand still; it does already for another reason: only notes this one.
    func hold(_ machine: ManagedMachine, for reason: MachineHold) async throws {
        try await pausing.run(machine.id) {
            let isFirst = machine.state.withLock { state in
                defer { state.holds.insert(reason) }
                return state.holds.isEmpty
            }
            guard isFirst else { return }
            do {
                try await client(for: machine).pause()
            } catch {
                _ = machine.state.withLock { $0.holds.remove(reason) }
                throw error
            }
        }
    }

    /// A machine that cannot be told to go on is told again by ``letForgottenGo()``.
    func release(_ machine: ManagedMachine, from reason: MachineHold) async {
        await pausing.run(machine.id) {
            let isLast = machine.state.withLock { state in
                state.holds.remove(reason) != nil && state.holds.isEmpty
            }
            if isLast { await resume(machine) }
        }
    }

    /// Machines that stand still for no reason known here: whoever held them did not live to let them go.
    func letForgottenGo() async {
        let all = state.withLock { Array($0.machines.values) }
        await withTaskGroup(of: Void.self) { group in
            for machine in all where machine.status?.isPaused == true && machine.status?.phase == .running {
                group.addTask { [self] in await switching(machine) { await letGoIfForgotten(machine) } }
            }
        }
    }

    private func letGoIfForgotten(_ machine: ManagedMachine) async {
        await pausing.run(machine.id) {
            guard machine.state.withLock({ $0.holds.isEmpty }), await isStill(machine) else { return }
            logger.notice("a machine that nobody holds any more is resumed", metadata: meta(machine))
            await resume(machine)
        }
    }

    /// As its supervisor says now: what was heard of it last may be from before it went on.
    private func isStill(_ machine: ManagedMachine) async -> Bool {
        do {
            return try await client(for: machine).hello().status.isPaused == true
        } catch {
            if !machine.ended.isOpen {
                logger.warning(
                    "it is not known whether a machine stands still", metadata: meta(machine, ["error": "\(error)"]))
            }
            return false
        }
    }

    private func resume(_ machine: ManagedMachine) async {
        do {
            try await client(for: machine).resume()
        } catch {
            guard !machine.ended.isOpen else { return }
            logger.error("a paused machine could not be resumed", metadata: meta(machine, ["error": "\(error)"]))
        }
    }
}
