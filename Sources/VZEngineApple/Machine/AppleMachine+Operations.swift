import Foundation
import NIOPosix
import VZEngine
import Virtualization

extension AppleMachine {
    func pause() async throws {
        guard try living("pause").state != .paused else { return }
        try await attempt("pause the machine") {
            try await answer(options.pauseDeadline, "the framework does not pause it") { machine, done in
                guard machine.state != .paused else { return done.give() }
                machine.pause { done.give($0) }
            }
        }
    }

    func resume() async throws {
        guard try living("resume").state != .running else { return }
        try await attempt("let the machine go on") {
            try await answer(options.pauseDeadline, "the framework does not let it go on") { machine, done in
                guard machine.state != .running else { return done.give() }
                machine.resume { done.give($0) }
            }
        }
    }

    /// Beside it, the machine's identifier is kept, without which nothing can go on.
    func save(to path: String) async throws {
        guard try living("save").state == .paused else {
            throw VZEngineError(.failed, "cannot save the machine's state: pause it first")
        }
        if let saveRefusal {
            throw VZEngineError(.unsupported, "this machine cannot save its state: \(saveRefusal)")
        }
        let identifier = files.identifier
        try await NIOThreadPool.singleton.runIfActive {
            guard !FileManager.default.fileExists(atPath: path) else {
                throw VZEngineError(.invalidArgument, "cannot save the machine's state to \(path): there is a file")
            }
            try MachineFiles.write(identifier, to: MachineFiles.identifier(besideState: path))
        }
        do {
            try await attempt("save the machine's state to \(path)") {
                try await answer(options.stateDeadline, "the framework does not finish it") { machine, done in
                    machine.saveMachineState(to: path, done)
                }
            }
        } catch {
            // Half a state is none.
            try? await NIOThreadPool.singleton.runIfActive {
                try? FileManager.default.removeItem(atPath: path)
                try? FileManager.default.removeItem(atPath: MachineFiles.identifier(besideState: path))
            }
            throw error
        }
    }

    func setMemory(bytes: Int64) async throws {
        let machine = try living("change the memory of")
        let device = machine.memoryBalloonDevices.first as? VZVirtioTraditionalMemoryBalloonDevice
        guard let device else {
            throw VZEngineError(.unsupported, "a macOS guest cannot give memory back: it has no driver for that")
        }
        let most = AppleChecks.memory(config.memoryBytes)
        let least = VZVirtualMachineConfiguration.minimumAllowedMemorySize
        guard bytes > 0, (least...most).contains(UInt64(bytes)) else {
            throw VZEngineError(
                .invalidArgument,
                "the machine can have \(least >> 20) to \(most >> 20) MiB of memory, and not \(bytes >> 20)")
        }
        device.targetVirtualMachineMemorySize = UInt64(bytes) / AppleChecks.mebibyte * AppleChecks.mebibyte
    }

    func statistics() async throws -> MachineStatistics {
        let machine = try living("look into")
        let device = machine.memoryBalloonDevices.first as? VZVirtioTraditionalMemoryBalloonDevice
        var statistics = MachineStatistics()
        statistics.memoryBytes = Int64(
            device?.targetVirtualMachineMemorySize ?? AppleChecks.memory(config.memoryBytes))
        return statistics
    }

    func screenshot(to path: String) async throws {
        throw VZEngineError(
            .unsupported,
            "this machine cannot show its display: Virtualization.framework draws it in windows only; use screen "
                + "sharing in the guest, or its console")
    }

    func replaceShare(_ share: MachineConfig.Share) async throws {
        try AppleChecks.check(share)
        try await NIOThreadPool.singleton.runIfActive { try MachineFiles.directory(share.source) }
        let machine = try living("change a share of")
        let device = machine.directorySharingDevices.lazy.compactMap { $0 as? VZVirtioFileSystemDevice }
            .first { $0.tag == share.tag }
        guard let device else {
            let tags = config.shares.map(\.tag).joined(separator: ", ")
            throw VZEngineError(
                .invalidArgument,
                "the machine has no share \"\(share.tag)\": only those it was started with can be replaced"
                    + (tags.isEmpty ? "" : " (\(tags))"))
        }
        device.share = ConfigurationBuilder.share(share)
    }

    func pressPowerButton() async throws {
        let machine = try living("press the button of")
        do {
            try machine.requestStop()
        } catch {
            throw AppleErrors.error("ask the guest to shut down", error)
        }
    }

    private func living(_ attempt: String) throws -> VZVirtualMachine {
        guard let machine, !stopped.isGiven else {
            throw VZEngineError(.failed, "cannot \(attempt) the machine: it has ended")
        }
        return machine
    }

    private func attempt(_ what: String, _ body: () async throws -> Void) async throws {
        do {
            try await body()
        } catch {
            throw AppleErrors.error(what, error)
        }
    }
}
