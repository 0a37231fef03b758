import Dispatch
import Foundation

/// What runs in a machine, steered by a test. Safe from anywhere: what it does happens on the machine's queue. It does
/// nothing while its machine is paused; what it was told then it does afterwards.
public final class SimulatedGuest: @unchecked Sendable {
    public enum Action: Sendable {
        /// On the serial console.
        case say(String)
        /// In memory, and so in a saved state.
        case remember(String, String)
        case powerOff
        /// The kernel's last words. It stands still afterwards, or restarts.
        case panic(restarts: Bool)
        /// Nobody is told: the framework has no event for it.
        case restart
        /// The machine, not the guest.
        case crash
        case loseNetwork
    }

    public struct NoShare: Error { public var tag: String }

    public let hardware: SimulatedHardware
    /// The process that holds the disk.
    public var service: Int32? { onQueue { $0.service?.id } }

    /// Where one that runs for real is reached.
    public var address: String? { onQueue { $0.contained?.address } }

    // Only touched on the machine's queue.
    var memory: [String: String] = [:]
    private weak var machine: VZVirtualMachine?
    private let queue: DispatchQueue

    init(_ machine: VZVirtualMachine) {
        self.machine = machine
        queue = machine.queue
        hardware = machine.hardware
    }

    /// Ends with its machine: then it does nothing more.
    public func perform(_ action: Action) {
        queue.async { [self] in
            guard let machine else { return }
            switch (machine.current, action) {
            case (_, .crash): machine.fail(VZError(.internalError, "The virtual machine stopped unexpectedly."))
            case (_, .loseNetwork): machine.disconnectNetwork()
            case (.running, _): act(action)
            case (.paused, _), (.pausing, _), (.resuming, _), (.saving, _): machine.pending.append(action)
            default: break
            }
        }
    }

    /// What it remembers.
    public func recall(_ key: String) async -> String? {
        await withCheckedContinuation { answer in queue.async { [self] in answer.resume(returning: memory[key]) } }
    }

    /// The balloon's target, in bytes.
    public var memoryTarget: UInt64? {
        onQueue {
            ($0.memoryBalloonDevices.first as? VZVirtioTraditionalMemoryBalloonDevice)?.targetVirtualMachineMemorySize
        }
    }

    public var state: VZVirtualMachine.State { onQueue { $0.state } ?? .stopped }

    // MARK: Shares, as the guest sees them

    /// A file of a share.
    public func read(_ name: String, in tag: String) throws -> String {
        try String(contentsOfFile: share(tag).path + "/" + name, encoding: .utf8)
    }

    public func write(_ text: String, to name: String, in tag: String) throws {
        let share = try share(tag)
        guard !share.isReadOnly else { throw CocoaError(.fileWriteVolumeReadOnly) }
        try text.write(toFile: share.path + "/" + name, atomically: false, encoding: .utf8)
    }

    private func share(_ tag: String) throws -> SimulatedHardware.Share {
        let found = onQueue { machine -> SimulatedHardware.Share? in
            for case let device as VZVirtioFileSystemDevice in machine.directorySharingDevices where device.tag == tag {
                if let share = device.simulated { return share }
            }
            return nil
        }
        guard let found else { throw NoShare(tag: tag) }
        return found
    }

    private func onQueue<Value>(_ body: (VZVirtualMachine) -> Value?) -> Value? {
        queue.sync { machine.flatMap(body) }
    }

    // MARK: On the machine's queue

    func boot() {
        // One that runs for real says so itself.
        guard machine?.contained == nil else { return }
        say(machine?.mac.behaviour.bootText ?? "")
    }

    func feelPowerButton() {
        guard let behaviour = machine?.mac.behaviour else { return }
        guard hardware.isMac ? behaviour.macHeedsPowerButton : behaviour.linuxHeedsPowerButton else { return }
        if let contained = machine?.contained {
            try? contained.pressPowerButton()
            return
        }
        queue.asyncAfter(deadline: .now() + behaviour.shutdownTime.seconds) { [self] in perform(.powerOff) }
    }

    func act(_ action: Action) {
        guard let machine else { return }
        switch action {
        case .say(let text): say(text)
        case .remember(let key, let value): memory[key] = value
        case .powerOff:
            if machine.contained == nil { say("simulated guest: Power down\n") }
            machine.guestStopped()
        case .panic(let restarts):
            say("[    1.000000] Kernel panic - not syncing: simulated\n")
            if restarts { boot() }
        case .restart:
            memory = [:]
            boot()
        case .crash, .loseNetwork: break
        }
    }

    private func say(_ text: String) {
        // A console that nobody reads loses what it says.
        try? machine?.console?.write(contentsOf: Data(text.utf8))
    }
}
