import Logging
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a machine can beyond running.
extension QEMUMachine {
    /// A machine with less could not even wait.
    private static let leastMemory: Int64 = 64 << 20
    /// How slowly a disk may take a machine's memory.
    private static let saveRate: Int64 = 10 << 20
    private static let memoryInterval = 10

    func pause() async throws {
        let wasHeld = state.withLock { state in
            defer { state.isHeld = true }
            return state.isHeld
        }
        do {
            try await monitor.execute("stop")
        } catch {
            state.withLock { $0.isHeld = wasHeld }
            throw error
        }
    }

    func resume() async throws {
        try await monitor.execute("cont")
        state.withLock { $0.isHeld = false }
    }

    func setMemory(bytes: Int64) async throws {
        guard (Self.leastMemory...config.memoryBytes).contains(bytes) else {
            throw VZEngineError(
                .invalidArgument,
                "the machine was started with \(config.memoryBytes) bytes of memory and can be given between "
                    + "\(Self.leastMemory) and that: \(bytes) is not among them")
        }
        try await monitor.execute("balloon", #"{"value":\#(bytes)}"#)
    }

    func statistics() async throws -> MachineStatistics {
        var statistics = MachineStatistics()
        let disks = try await monitor.ask("query-blockstats", for: [QMPBlockStatistics].self)
            .filter { $0.node?.hasPrefix("disk") == true }
        statistics.diskReadBytes = disks.reduce(0) { $0 + $1.stats.read }
        statistics.diskWrittenBytes = disks.reduce(0) { $0 + $1.stats.written }
        statistics.memoryBytes = try await monitor.ask("query-balloon", for: QMPBalloon.self).actual
        statistics.availableMemoryBytes = try await guestMemory().availableBytes
        if case .learned(let tap, _) = address, let counters = try await counters(of: tap) {
            // What the host received there the guest has sent.
            statistics.networkReceivedBytes = Int64(clamping: counters.sentBytes)
            statistics.networkSentBytes = Int64(clamping: counters.receivedBytes)
        }
        return statistics
    }

    private func guestMemory() async throws -> QMPGuestMemory {
        let place = #""path":"/machine/peripheral/\#(QEMUArguments.balloon)""#
        // A guest that nobody asks about is not woken for it.
        if !state.withLock({ $0.watchesMemory }) {
            try await monitor.execute(
                "qom-set", #"{\#(place),"property":"guest-stats-polling-interval","value":\#(Self.memoryInterval)}"#)
            state.withLock { $0.watchesMemory = true }
        }
        return try await monitor.ask("qom-get", #"{\#(place),"property":"guest-stats"}"#, for: QMPGuestMemory.self)
    }

    private func counters(of tap: TapDevice) async throws -> InterfaceCounters? {
        let name = tap.name
        return try await NIOThreadPool.singleton.runIfActive {
            try InterfaceCounters.ofNamespace(ofProcess: getpid()).first { $0.name == name }
        }
    }

    func screenshot(to path: String) async throws {
        guard config.display != nil else {
            throw VZEngineError(.unsupported, "the machine has no display: it was made without one")
        }
        // QEMU writes into what is there: nobody else may read it.
        try await Self.make(path).close()
        do {
            let arguments =
                #"{"filename":\#(QEMUArguments.quoted(path)),"device":"\#(QEMUArguments.display)","format":"png"}"#
            try await monitor.execute("screendump", arguments, deadline: .seconds(30))
        } catch {
            await Self.remove(path)
            throw error
        }
    }

    func save(to path: String) async throws {
        guard state.withLock({ $0.isHeld }) else {
            throw VZEngineError(.invalidArgument, "a machine that is to be saved must be paused first")
        }
        guard config.shares.isEmpty else {
            let names = config.shares.map(\.source).joined(separator: ", ")
            throw VZEngineError(
                .unsupported,
                "the machine shares directories with its host (\(names)), which QEMU cannot save: make it without mounts"
            )
        }
        let file = try await Self.make(path)
        do {
            try await monitor.give(file, as: "saved")
            try await monitor.execute("migrate-set-parameters", #"{"max-bandwidth":\#(Int64(1) << 40)}"#)
            try await monitor.execute("migrate", #"{"uri":"fd:saved"}"#)
            try await awaitSaved(within: .seconds(60 + config.memoryBytes / Self.saveRate))
            try await NIOThreadPool.singleton.runIfActive {
                guard fsync(file.number) == 0 else { throw VZEngineError.system("write the saved machine \(path)") }
            }
            file.close()
        } catch {
            file.close()
            await Self.remove(path)
            throw error
        }
    }

    private func awaitSaved(within limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        var pause = Duration.milliseconds(10)
        do {
            while true {
                let progress = try await monitor.ask("query-migrate", for: QMPMigration.self)
                switch progress.status {
                case "completed": return
                case "failed", "cancelled":
                    throw VZEngineError(
                        .failed, "QEMU could not save the machine: \(progress.reason ?? "the host's disk may be full")")
                default: break
                }
                guard ContinuousClock.now < end else {
                    throw VZEngineError(.deadline, "the machine was not saved within \(limit)")
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .milliseconds(200))
            }
        } catch let error where (error as? VZEngineError)?.code != .failed {
            // Given up by us, not by QEMU.
            await Task { [monitor, logger] in
                do {
                    try await monitor.execute("migrate_cancel")
                } catch {
                    logger.warning("saving the machine cannot be stopped", metadata: ["error": "\(error)"])
                }
            }.value
            throw error
        }
    }

    /// A new file, for its owner only.
    private static func make(_ path: String) async throws -> Descriptor {
        try await NIOThreadPool.singleton.runIfActive {
            let file = Descriptor(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600))
            guard file.number >= 0 else { throw VZEngineError.system("make the file \(path)") }
            return file
        }
    }

    private static func remove(_ path: String) async {
        await Task { _ = try? await NIOThreadPool.singleton.runIfActive { unlink(path) } }.value
    }
}
