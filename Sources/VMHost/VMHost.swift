import HostFiles
public import Logging
public import NIOCore
import NIOPosix
import Processes
import ServiceLifecycle
import UnixSignals
public import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The supervisor of one virtual machine.
public enum VMHost {
    /// The grace of a machine whose supervisor is told to end.
    private static let signalGrace = Duration.seconds(30)

    /// Makes the engine that runs the machine.
    public typealias EngineMaker = @Sendable (_ group: any EventLoopGroup, _ logger: Logger) -> any MachineEngine

    /// Runs the machine of a bundle to its end. One process runs one machine, once.
    ///
    /// - Parameter engine: nil is this system's.
    /// - Throws: `VZEngineError` when the bundle is not for this program, or is or was run by another; its machine is not
    ///   touched then. A machine that fails to start is no error here: `exit.json` says so.
    public static func run(
        bundle: String, runDirectory: String, logger: Logger, engine: EngineMaker? = nil
    ) async throws {
        let bundle = MachineBundle(directory: bundle, runDirectory: runDirectory)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let engine = (engine ?? SystemEngine.make)(group, logger)
        do {
            try await run(bundle, logger: logger, heedsSignals: true) { config, logger in
                let standstill = Standstill()
                return Supervisor.Surroundings(
                    engine: engine,
                    guest: { try SSHGuest(config, at: $0, in: bundle, standstill: standstill, logger: logger) },
                    group: group, logger: logger, standstill: standstill)
            }
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        try? await group.shutdownGracefully()
    }

    /// ``run(bundle:runDirectory:logger:)`` in surroundings of the caller's choice.
    static func run(
        _ bundle: MachineBundle, logger: Logger, heedsSignals: Bool = false,
        in surroundings: @Sendable (MachineConfig, Logger) -> Supervisor.Surroundings
    ) async throws {
        let lock = try BundleLock.take(bundle)
        let identity = try Records.claim(bundle)
        let config = try Records.config(of: bundle)
        var logger = logger
        logger[metadataKey: "container"] = "\(config.id.prefix(16))"
        let surroundings = surroundings(config, logger)
        let supervisor = Supervisor(config, in: bundle, surroundings)
        do {
            try await supervisor.log.open()
        } catch {
            // Without its log a container would lose what it says.
            let error = VZEngineError(.failed, "the log \(config.logPath) cannot be opened", cause: error)
            try Records.write(failure: error, to: bundle)
            throw error
        }
        let server: ControlServer
        do {
            server = try await ControlServer.start(
                socketPath: bundle.controlSocket, service: supervisor, machineID: config.id, supervisor: identity,
                group: surroundings.group, logger: logger)
        } catch {
            let error = VZEngineError(.failed, "the control socket cannot be served", cause: error)
            try Records.write(failure: error, to: bundle)
            throw error
        }
        let signals = heedsSignals ? await signals(to: supervisor) : nil
        let record = await supervisor.run()
        signals?.cancel()
        try await conclude(record, supervisor, server)
        logger.info("ended", metadata: ["code": "\(record.exitCode)", "reason": "\(record.reason)"])
        withExtendedLifetime(lock) {}
    }

    private static func conclude(
        _ record: ExitRecord, _ supervisor: Supervisor, _ server: ControlServer
    ) async throws {
        let bundle = supervisor.bundle
        let written = Result { try Records.write(record, to: bundle) }
        supervisor.board.update { status in
            status.phase = .exited
            status.exit = record
            status.isReachable = false
            status.processes = []
        }
        await server.close()
        Records.removeSockets(of: bundle)
        try written.get()
    }

    /// Being told to end is being told to stop the machine.
    private static func signals(to supervisor: Supervisor) async -> Task<Void, Never> {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        return Task {
            for await signal in signals {
                supervisor.logger.notice("told to end", metadata: ["signal": "\(signal)"])
                supervisor.note(.stopAsked(grace: signalGrace))
            }
        }
    }
}
