import Logging
import NIOCore
import Processes
import VZEngine
import Virtualization

extension AppleMachine {
    func powerOff() async {
        if !stopped.isGiven {
            verdict.powerOffRequested()
            await stopHard()
        }
        await ended.isGiven()
    }

    func waitForEnd() async -> MachineEnd {
        // A caller that is cancelled waits all the same: the end is what it is.
        let ended = ended
        _ = await Task { await ended.isGiven() }.value
        return verdict.end
    }

    /// Ends what runs, by its process when the framework does not.
    func stopHard() async {
        do {
            if !stopped.isGiven {
                try await answer(options.stopDeadline, "the framework does not stop it") { machine, done in
                    // Something else may have ended it in the meantime.
                    guard machine.canStop else { return done.give() }
                    machine.stop { done.give($0) }
                }
            }
        } catch {
            logger.warning("the machine's process is killed", metadata: ["error": "\(error)"])
            for process in processes { process.kill() }
        }
        stopped.give()
    }

    // MARK: Supervision

    func supervise() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.watchPanic() }
            group.addTask { await self.watchProcesses() }
            group.addTask { await self.followAddress() }
            _ = await Task { [stopped] in await stopped.isGiven() }.value
            await waitForProcesses()
            // The last words are on their way still.
            await pipe.close()
            group.cancelAll()
        }
        release()
        logger.info("the machine has ended", metadata: ["end": "\(verdict.end)"])
        ended.give()
    }

    /// The host's place for the machine is free when its process is gone, and so is its disk.
    func waitForProcesses() async {
        for process in processes {
            if await ProcessExit.wait(for: process, within: options.stopDeadline) { continue }
            logger.warning("the machine's process does not end: it is killed", metadata: ["pid": "\(process.id)"])
            process.kill()
            if await !ProcessExit.wait(for: process, within: options.stopDeadline) {
                logger.error("the machine's process cannot be killed", metadata: ["pid": "\(process.id)"])
            }
        }
    }

    func release() {
        machine?.delegate = nil
        (machine, watch) = (nil, nil)
        changed.finish()
    }

    private func followAddress() async {
        await addresses.follow { [changed, port = config.credentials.port, logger] address in
            logger.info("the guest is elsewhere", metadata: ["address": "\(address)"])
            changed.yield(.addressChanged(GuestAddress(host: address, port: port)))
        }
    }

    /// A kernel that gave up and stands still: that is the end too.
    private func watchPanic() async {
        guard let message = await pipe.panicked() else { return }
        verdict.consolePanicked(message)
        do {
            try await Task.sleep(for: options.panicGrace)
        } catch {
            return
        }
        guard !stopped.isGiven else { return }
        verdict.outlivedPanic()
        await stopHard()
    }

    /// The framework says when a machine's process is gone. Should it not, so it is gone all the same.
    private func watchProcesses() async {
        guard let process = processes.first, await ProcessExit.wait(for: process) else { return }
        if await stopped.isGiven(within: options.lossGrace) { return }
        guard !Task.isCancelled else { return }
        verdict.failed("the process that ran the machine has ended")
        stopped.give()
    }
}
