import Logging
import NIOCore
import Processes
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A machine that QEMU runs.
final class QEMUMachine: Machine {
    enum Address: Sendable {
        case known(GuestAddress)
        /// Its network tells, once it speaks there.
        case learned(TapDevice, AddressWatch)
    }

    let processes: [ProcessIdentity]
    let changes: AsyncStream<MachineChange>
    var console: AsyncStream<ByteBuffer> { reader.output }

    let config: MachineConfig
    let monitor: QMPClient
    let address: Address
    let options: QEMUOptions
    let logger: Logger
    private let child: ChildProcess
    private let reader: ConsoleReader
    private let changed: AsyncStream<MachineChange>.Continuation
    private let errors: ErrorOutput
    private let stalls: AsyncStream<String>
    private let stalled: AsyncStream<String>.Continuation

    struct State {
        var verdict = QEMUVerdict()
        /// Its owner wants it to stand still.
        var isHeld = false
        /// It stands still by itself, and somebody sees to that.
        var isStalled = false
        /// How its disk failed last.
        var diskFailure: String?
        /// The guest is asked about its memory now and then.
        var watchesMemory = false
        var end: MachineEnd?
        var waiting: [CheckedContinuation<MachineEnd, Never>] = []
    }
    let state = Mutex(State())

    init(
        config: MachineConfig, parts: MachineParts, child: ChildProcess, monitor: QMPClient, console: ConsoleReader,
        errors: ErrorOutput, address: Address, options: QEMUOptions, logger: Logger
    ) {
        self.config = config
        self.child = child
        self.monitor = monitor
        reader = console
        self.errors = errors
        self.address = address
        self.options = options
        self.logger = logger
        processes = parts.processes
        (changes, changed) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(16))
        (stalls, stalled) = AsyncStream.makeStream()
        // Ends with the machine; it holds the machine until then.
        Task { await supervise(parts) }
    }

    func guestAddress() async throws -> GuestAddress {
        switch address {
        case .known(let address): return address
        case .learned(_, let watch):
            return GuestAddress(
                host: try await watch.first(within: .seconds(config.readinessTimeout)).description,
                port: config.credentials.port)
        }
    }

    func pressPowerButton() async throws {
        try await monitor.execute("system_powerdown")
    }

    func powerOff() async {
        state.withLock { $0.verdict.powerOffRequested() }
        if config.keepsDisk {
            // What the disk's format holds in memory is written by QEMU itself.
            do {
                try await monitor.execute("quit", deadline: .seconds(5))
                let overdue = Task { [child] in
                    try await Task.sleep(for: .seconds(5))
                    child.signal(SIGKILL)
                }
                _ = await child.waitForEnd()
                overdue.cancel()
                return
            } catch {
                logger.debug("QEMU is killed: it does not quit", metadata: ["error": "\(error)"])
            }
        }
        child.signal(SIGKILL)
        _ = await child.waitForEnd()
    }

    func waitForEnd() async -> MachineEnd {
        await withCheckedContinuation { continuation in
            let end: MachineEnd? = state.withLock { state in
                if state.end == nil { state.waiting.append(continuation) }
                return state.end
            }
            if let end { continuation.resume(returning: end) }
        }
    }

    // MARK: Supervision

    private func supervise(_ parts: MachineParts) async {
        var parts = parts
        let process = await withTaskGroup(of: Void.self) { group in
            group.addTask { for await event in self.monitor.events { await self.monitorSaid(event) } }
            group.addTask { await self.watchMonitor() }
            group.addTask { await self.watchPanic() }
            group.addTask { await self.reviveWhenStalled() }
            for server in parts.shareServers { group.addTask { await self.watch(server) } }
            if case .learned(_, let addresses) = address {
                group.addTask { await addresses.run() }
                group.addTask { await self.followAddress(addresses) }
            }
            let process = await child.waitForEnd()
            monitor.close()
            // The last words are on their way still.
            for channel in parts.channels { await channel.drained() }
            await parts.stopProcesses(shareServersWithin: .seconds(2))
            group.cancelAll()
            return process
        }
        await parts.remove()
        changed.finish()
        let (end, waiting) = state.withLock { state in
            let end = state.verdict.end(process, errors: errors.text)
            state.end = end
            defer { state.waiting = [] }
            return (end, state.waiting)
        }
        logger.info("the machine has ended", metadata: ["end": "\(end)"])
        for continuation in waiting { continuation.resume(returning: end) }
    }

    private func judge(_ change: (inout QEMUVerdict) -> QEMUVerdict.Action) -> QEMUVerdict.Action {
        let action = state.withLock { change(&$0.verdict) }
        if action == .kill { child.signal(SIGKILL) }
        return action
    }

    private func monitorSaid(_ event: QMPEvent) async {
        if event.name == .blockError {
            logger.warning(
                "a disk of the machine fails",
                metadata: ["disk": "\(event.device ?? "")", "reason": "\(event.reason ?? "")"])
            let failure =
                event.lacksSpace == true ? "the host's disk is full" : "the host's disk fails: \(event.reason ?? "")"
            state.withLock { $0.diskFailure = failure }
        }
        let action = judge { $0.monitorSaid(event) }
        if event.name == .guestPanicked { keepPanicked() }
        if event.name == .reset, action == .nothing {
            logger.info("the guest restarts")
            changed.yield(.restarted)
        }
        guard action == .askStatus else { return }
        do {
            let status = try await monitor.status()
            switch judge({ $0.stopped(status: status) }) {
            case .resumeLater: stall()
            // Its owner has given up waiting for it to stand still, and takes it for running.
            case .resumeUnlessHeld: if !state.withLock({ $0.isHeld }) { try await monitor.execute("cont") }
            case .nothing, .kill, .askStatus: break
            }
        } catch {
            // The watch below finds a monitor that does not answer.
            logger.debug("QEMU's state is not known", metadata: ["error": "\(error)"])
        }
    }

    private func stall() {
        let reason: String? = state.withLock { state in
            guard !state.isStalled else { return nil }
            state.isStalled = true
            return state.diskFailure ?? "the host's disk is full or fails"
        }
        if let reason { stalled.yield(reason) }
    }

    /// A machine whose disk fails tries again now and then: there may be room by now. One that its owner holds does not.
    private func reviveWhenStalled() async {
        for await reason in stalls {
            logger.warning("the machine stands still: \(reason)")
            changed.yield(.stalled(reason: reason))
            do {
                while true {
                    try await Task.sleep(for: options.stallInterval)
                    guard !state.withLock({ $0.isHeld }) else { continue }
                    if try await isRevived() { break }
                }
            } catch {
                // Cancelled, or QEMU does not answer: others see to that.
                logger.debug("the machine was not revived", metadata: ["error": "\(error)"])
                return
            }
            logger.notice("the machine goes on")
            changed.yield(.resumed)
        }
    }

    private func isRevived() async throws -> Bool {
        if try await monitor.status() != "running" { try await monitor.execute("cont") }
        // What failed is tried again at once.
        try await Task.sleep(for: .milliseconds(500))
        guard try await monitor.status() == "running" else { return false }
        state.withLock { $0.isStalled = false }
        // It may have stopped just before that.
        guard try await monitor.status() == "io-error" else { return true }
        state.withLock { $0.isStalled = true }
        return false
    }

    /// A process that hangs is found by asking it.
    private func watchMonitor() async {
        do {
            while true {
                try await Task.sleep(for: options.monitorInterval)
                _ = try await monitor.status(deadline: options.monitorDeadline)
            }
        } catch let error as VZEngineError where error.code == .deadline {
            _ = judge { $0.isHung("QEMU does not answer its monitor for \(options.monitorDeadline)") }
        } catch {
            // Cancelled, or it has ended.
            return
        }
    }

    /// A kernel that gave up restarts at once, or tells by its device, or stands still: that is the end too.
    private func watchPanic() async {
        guard let message = await reader.panicked() else { return }
        state.withLock { $0.verdict.consolePanicked(message) }
        do {
            if config.holdOnFailure != nil {
                state.withLock { $0.verdict.keepPanicked() }
                // Before it restarts: not every guest has the device that stops it at once.
                try await monitor.execute("stop")
                return keepPanicked()
            }
            try await Task.sleep(for: .seconds(3))
        } catch {
            return
        }
        _ = judge { $0.outlivedPanic() }
    }

    /// Tells those who want to look at it.
    private func keepPanicked() {
        guard config.holdOnFailure != nil else { return }
        let words = state.withLock { $0.verdict.panic }
        changed.yield(.panicked(message: words ?? "the guest's kernel panicked"))
    }

    private func followAddress(_ addresses: AddressWatch) async {
        for await address in addresses.changes {
            let place = GuestAddress(host: address.description, port: config.credentials.port)
            changed.yield(.addressChanged(place))
        }
    }

    private func watch(_ server: ShareServer) async {
        _ = await server.child.waitForEnd()
        do {
            // It ends when QEMU does: then this is not why.
            try await Task.sleep(for: .seconds(1))
        } catch {
            return
        }
        guard child.end == nil else { return }
        _ = judge { $0.shareServerEnded(server.failure) }
    }
}
