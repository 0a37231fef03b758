import Logging
import VZEngine

/// What the supervisor does with the machine itself for the clients of its control socket.
extension Supervisor {
    /// Setting a guest's clock is worth so long.
    private static let clockTime = Duration.seconds(5)

    private static let clockScript = """
        off=$(( $(date +%s) - $1 ))
        [ "$off" -lt -1 ] || [ "$off" -gt 1 ] || exit 0
        if [ "$(id -u)" = 0 ]; then date -u -s "@$1"; else sudo -n date -u -s "@$1"; fi >/dev/null
        """

    /// Notes what concerns the machine itself.
    func heed(_ change: MachineChange) async {
        switch change {
        case .stalled(let reason):
            surroundings.standstill.set(stalled: true)
            board.update { $0.stalled = reason }
        case .resumed:
            surroundings.standstill.set(stalled: false)
            board.update { $0.stalled = nil }
            await setClock()
        case .addressChanged(let address): guestMoved(to: address)
        case .panicked(let message):
            note(.machinePanicked(message))
            // Nobody answers there, and TCP would find that out much later.
            await guest?.disconnect()
        case .restarted, .networkLost: break
        }
    }

    func statistics() async throws -> MachineStatistics { try await present().statistics() }

    func setMemory(bytes: Int64) async throws { try await present().setMemory(bytes: bytes) }

    func pause() async throws {
        let machine = try present()
        guard board.status.phase != .stopping else { throw VZEngineError(.failed, "the machine is ending") }
        surroundings.standstill.set(paused: true)
        do {
            try await machine.pause()
        } catch {
            surroundings.standstill.set(paused: false)
            throw error
        }
        logger.notice("the machine is paused")
        board.update { $0.isPaused = true }
    }

    func resume() async throws {
        try await present().resume()
        surroundings.standstill.set(paused: false)
        logger.notice("the machine is resumed")
        board.update { $0.isPaused = nil }
        await setClock()
    }

    /// A guest that stands still cannot shut down. It frees what it stood still for, by ending.
    func wake() async {
        guard board.status.isPaused == true else { return }
        do {
            try await present().resume()
            surroundings.standstill.set(paused: false)
            board.update { $0.isPaused = nil }
        } catch {
            logger.warning("a paused machine could not be resumed to be stopped", metadata: ["error": "\(error)"])
        }
    }

    func save(to path: String) async throws { try await present().save(to: path) }

    func screenshot(to path: String) async throws { try await present().screenshot(to: path) }

    private func present() throws -> any Machine {
        guard let machine else { throw VZEngineError(.failed, "the machine does not run yet") }
        return machine
    }

    /// While a machine stands still so does its clock. One that was restored is set up from the beginning, its clock with
    /// that: it is new to its supervisor.
    private func setClock() async {
        guard config.guestOS == .linux, board.status.isReachable, let guest else { return }
        let seconds = Moment.Clock.wall() / 1_000_000_000
        do {
            let result = try await guest.complete(
                ["/bin/sh", "-c", Self.clockScript, "vzcri-clock", "\(seconds)"],
                deadline: Self.clockTime)
            guard result.code != 0 else { return }
            logger.warning("the guest's clock was not set", metadata: ["said": "\(result.errors)"])
        } catch {
            logger.warning("the guest's clock was not set", metadata: ["error": "\(error)"])
        }
    }
}
