public import Dispatch
public import Foundation

open class VZVirtualMachineStartOptions: NSObject {}

open class VZMacOSVirtualMachineStartOptions: VZVirtualMachineStartOptions {
    public override init() {}
    open var startUpFromMacOSRecovery = false
}

public protocol VZVirtualMachineDelegate: NSObjectProtocol {
    func guestDidStop(_ virtualMachine: VZVirtualMachine)
    func virtualMachine(_ virtualMachine: VZVirtualMachine, didStopWithError error: any Error)
    func virtualMachine(
        _ virtualMachine: VZVirtualMachine, networkDevice: VZNetworkDevice,
        attachmentWasDisconnectedWithError error: any Error)
}

/// Optional, each of them.
extension VZVirtualMachineDelegate {
    public func guestDidStop(_ virtualMachine: VZVirtualMachine) {}
    public func virtualMachine(_ virtualMachine: VZVirtualMachine, didStopWithError error: any Error) {}
    public func virtualMachine(
        _ virtualMachine: VZVirtualMachine, networkDevice: VZNetworkDevice,
        attachmentWasDisconnectedWithError error: any Error
    ) {}
}

/// Apple's state machine. Everything but `queue` traps away from the machine's queue, as Apple's does.
open class VZVirtualMachine: NSObject {
    public enum State: Int, Sendable {
        case stopped = 0
        case running, paused, error, starting, pausing, resuming, stopping, saving, restoring
    }

    public class var isSupported: Bool { true }

    public let queue: DispatchQueue
    let hardware: SimulatedHardware
    let canBeSaved: Result<Void, any Error>
    let mac: SimulatedMac
    let console: FileHandle?
    var current = State.stopped
    var service: (any MachineProcess)?
    /// Its process, when the guest runs for real.
    var contained: ContainedGuest? { service as? ContainedGuest }
    /// What the guest would do, were it not paused.
    var pending: [SimulatedGuest.Action] = []
    private(set) lazy var guest = SimulatedGuest(self)
    private weak var listener: (any VZVirtualMachineDelegate)?
    private let sockets: [VZSocketDevice]
    private let balloons: [VZMemoryBalloonDevice]
    private let networks: [VZNetworkDevice]
    private let shares: [VZDirectorySharingDevice]

    public convenience init(configuration: VZVirtualMachineConfiguration) {
        self.init(configuration: configuration, queue: .main)
    }

    /// Copies the configuration: what is changed in it afterwards changes nothing here.
    public init(configuration: VZVirtualMachineConfiguration, queue: DispatchQueue) {
        self.queue = queue
        hardware = SimulatedHardware(configuration)
        canBeSaved = Result { try configuration.validateSaveRestoreSupport() }
        mac = SimulatedMac.holding(hardware.place)
        console =
            (configuration.serialPorts.first?.attachment as? VZFileHandleSerialPortAttachment)?
            .fileHandleForWriting
        sockets = configuration.socketDevices.map { _ in VZVirtioSocketDevice(queue) }
        let memory = configuration.memorySize
        balloons = configuration.memoryBalloonDevices.map { _ in
            VZVirtioTraditionalMemoryBalloonDevice(queue, target: memory)
        }
        networks = configuration.networkDevices.map { VZNetworkDevice($0, queue) }
        shares = configuration.directorySharingDevices.compactMap {
            ($0 as? VZVirtioFileSystemDeviceConfiguration).map { VZVirtioFileSystemDevice($0, queue) }
        }
        super.init()
        for case let share as VZVirtioFileSystemDevice in shares {
            share.replaced = { [weak self] in self?.replaced($0) }
        }
    }

    private func replaced(_ device: VZVirtioFileSystemDevice) {
        guard let contained, let share = device.simulated else { return }
        // Apple's says nothing either.
        try? contained.replace(device.tag, share)
    }

    /// A machine that nobody holds any more is no more: its process ends.
    deinit { service?.end() }

    func onQueue() { dispatchPrecondition(condition: .onQueue(queue)) }

    open var delegate: (any VZVirtualMachineDelegate)? {
        get {
            onQueue()
            return listener
        }
        set {
            onQueue()
            listener = newValue
        }
    }

    open var state: State {
        onQueue()
        return current
    }

    open var canStart: Bool { [.stopped, .error].contains(state) }
    open var canStop: Bool { [.running, .paused].contains(state) }
    open var canPause: Bool { state == .running }
    open var canResume: Bool { state == .paused }
    open var canRequestStop: Bool { state == .running }

    open var socketDevices: [VZSocketDevice] { ofQueue(sockets) }
    open var memoryBalloonDevices: [VZMemoryBalloonDevice] { ofQueue(balloons) }
    open var networkDevices: [VZNetworkDevice] { ofQueue(networks) }
    open var directorySharingDevices: [VZDirectorySharingDevice] { ofQueue(shares) }

    private func ofQueue<Value>(_ value: Value) -> Value {
        onQueue()
        return value
    }

    // MARK: Transitions

    open func start(completionHandler: @escaping (Result<Void, any Error>) -> Void) {
        begin(through: .starting, allowed: canStart, after: \.startTime) { [self] in
            if let error = mac.behaviour.startError { throw VZError(error, "The virtual machine failed to start.") }
            try mac.admit(self)
        } then: { [self] in
            current = .running
            guest.boot()
        } done: {
            completionHandler($0)
        }
    }

    open func start(options: VZVirtualMachineStartOptions, completionHandler: @escaping ((any Error)?) -> Void) {
        start { completionHandler($0.failure) }
    }

    /// The guest notices nothing; the delegate is not told.
    open func stop(completionHandler: @escaping ((any Error)?) -> Void) {
        begin(through: .stopping, allowed: canStop, after: \.stopTime) {
        } then: { [self] in
            leave(.stopped)
        } done: {
            completionHandler($0.failure)
        }
    }

    open func pause(completionHandler: @escaping (Result<Void, any Error>) -> Void) {
        begin(through: .pausing, allowed: canPause, after: \.pauseTime) {
        } then: { [self] in
            try contained?.pause()
            current = .paused
        } done: {
            completionHandler($0)
        }
    }

    open func resume(completionHandler: @escaping (Result<Void, any Error>) -> Void) {
        begin(through: .resuming, allowed: canResume, after: \.pauseTime) {
        } then: { [self] in
            try contained?.resume()
            current = .running
            let actions = pending
            pending = []
            for action in actions { guest.act(action) }
        } done: {
            completionHandler($0)
        }
    }

    open func requestStop() throws {
        guard canRequestStop else { throw Self.transition }
        guest.feelPowerButton()
    }

    // MARK: Saved states

    open func saveMachineStateTo(url saveFileURL: URL, completionHandler: @escaping ((any Error)?) -> Void) {
        begin(through: .saving, allowed: state == .paused, after: \.saveTime) {
        } then: { [self] in
            current = .paused
            try canBeSaved.get()
            if mac.behaviour.diskIsFull { throw VZError(.outOfDiskSpace, "There is no space left.") }
            let saved = SavedState(
                hardware: hardware, memory: guest.memory, files: try contained.map { try $0.savedMemory() })
            do {
                try JSONEncoder().encode(saved).write(to: saveFileURL)
            } catch {
                throw VZError(.save, "Failed to save. \(error)")
            }
        } done: { [self] in
            if current == .saving { current = .paused }
            completionHandler($0.failure)
        }
    }

    open func restoreMachineStateFrom(url saveFileURL: URL, completionHandler: @escaping ((any Error)?) -> Void) {
        begin(through: .restoring, allowed: state == .stopped, after: \.saveTime) { [self] in
            guard let data = try? Data(contentsOf: saveFileURL),
                let saved = try? JSONDecoder().decode(SavedState.self, from: data)
            else { throw VZError(.restore, "Failed to restore. The file is not valid.") }
            guard saved.hardware.wherever == hardware.wherever else {
                throw VZError(.restore, "Failed to restore. The configuration is another one.")
            }
            try mac.admit(self, remembering: saved.files)
            guest.memory = saved.memory
        } then: { [self] in
            current = .paused
        } done: {
            completionHandler($0.failure)
        }
    }

    private struct SavedState: Codable {
        var hardware: SimulatedHardware
        var memory: [String: String]
        /// Of a guest that runs for real.
        var files: Data?
    }

    fileprivate static let transition = VZError(
        .invalidVirtualMachineStateTransition, "Invalid virtual machine state transition.")

    /// Answers later, never before it returns.
    private func begin(
        through: State, allowed: Bool, after time: KeyPath<GuestBehaviour, Duration>,
        check: @escaping () throws -> Void, then: @escaping () throws -> Void,
        done: @escaping (Result<Void, any Error>) -> Void
    ) {
        onQueue()
        let transition = Transition(
            machine: self, isAllowed: allowed, before: current, through: through, check: check, then: then, done: done)
        if allowed { current = through }
        let box = Unchecked(transition)
        queue.asyncAfter(deadline: .now() + mac.behaviour[keyPath: time].seconds) { box.value.finish() }
    }

    private final class Transition {
        let machine: VZVirtualMachine
        let isAllowed: Bool
        let before: State
        let through: State
        let check: () throws -> Void
        let then: () throws -> Void
        let done: (Result<Void, any Error>) -> Void

        init(
            machine: VZVirtualMachine, isAllowed: Bool, before: State, through: State,
            check: @escaping () throws -> Void, then: @escaping () throws -> Void,
            done: @escaping (Result<Void, any Error>) -> Void
        ) {
            (self.machine, self.isAllowed, self.before, self.through) = (machine, isAllowed, before, through)
            (self.check, self.then, self.done) = (check, then, done)
        }

        func finish() {
            guard isAllowed else { return done(.failure(VZVirtualMachine.transition)) }
            // It crashed on the way.
            guard machine.current == through else {
                return done(.failure(VZError(.internalError, "The virtual machine stopped unexpectedly.")))
            }
            do {
                try check()
                try then()
            } catch {
                if machine.current == through { machine.current = before }
                return done(.failure(error))
            }
            done(.success(()))
        }
    }

    /// It executes no more. Its process ends in its own time.
    func leave(_ state: State) {
        current = state
        pending = []
        mac.release(self)
    }

    /// It ended without being told to.
    func guestStopped() {
        guard [.running, .pausing, .resuming].contains(current) else { return }
        if hardware.isMac { mac.guestShutDown() }
        leave(.stopped)
        listener?.guestDidStop(self)
    }

    func fail(_ error: VZError) {
        guard ![.stopped, .error].contains(current) else { return }
        leave(.error)
        listener?.virtualMachine(self, didStopWithError: error)
    }

    func disconnectNetwork() {
        guard let device = networks.first else { return }
        device.attachment = nil
        listener?.virtualMachine(
            self, networkDevice: device,
            attachmentWasDisconnectedWithError: VZError(.networkError, "The network attachment was disconnected."))
    }
}

extension Result where Success == Void {
    var failure: (any Error)? { if case .failure(let error) = self { error } else { nil } }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
