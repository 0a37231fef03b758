import Foundation
import Synchronization

/// A Mac of a test. It is named by a directory: machines whose first disk (or kernel) lies below run on it, so that tests
/// at the same time have a Mac each. Machines elsewhere share one.
public final class SimulatedMac: Sendable {
    /// Apple's kernel runs so many Macs at a time, whoever's they are.
    public static let limit = 2

    private struct State {
        var behaviour = GuestBehaviour()
        var otherApps = 0
        var leaked = 0
        var running: Set<ObjectIdentifier> = []
        var guests: [SimulatedGuest] = []
    }
    private struct Weak { weak var mac: SimulatedMac? }

    private static let all = Mutex<[String: Weak]>([:])
    private static let elsewhere = SimulatedMac(unnamed: ())
    private static let nested = Atomic(false)

    /// The processor's, and so the same for all.
    public static var nestedVirtualizationIsSupported: Bool {
        get { nested.load(ordering: .relaxed) }
        set { nested.store(newValue, ordering: .relaxed) }
    }

    private let state = Mutex(State())
    private let directory: String

    public init(at directory: String) {
        self.directory = directory
        Self.all.withLock { $0[directory] = Weak(mac: self) }
    }

    private init(unnamed: Void) { directory = "" }

    /// A console that nobody reads any more is no reason to end.
    private static let ignoresBrokenPipes: Void = { _ = signal(SIGPIPE, SIG_IGN) }()

    deinit { _ = Self.all.withLock { $0.removeValue(forKey: directory) } }

    static func holding(_ path: String) -> SimulatedMac {
        all.withLock { all in
            all.filter { path.hasPrefix($0.key + "/") }.max { $0.key.count < $1.key.count }?.value.mac
        } ?? elsewhere
    }

    public var behaviour: GuestBehaviour {
        get { state.withLock { $0.behaviour } }
        set { state.withLock { $0.behaviour = newValue } }
    }

    /// How many Macs other programs run.
    public var macsOfOtherApps: Int {
        get { state.withLock { $0.otherApps } }
        set { state.withLock { $0.otherApps = newValue } }
    }

    /// Places that nobody uses and nobody gets.
    public var leakedSlots: Int { state.withLock { $0.leaked } }

    /// Machines that hold one of the places at present.
    public var macsRunning: Int { state.withLock { $0.running.count } }

    /// Every guest that was started here, oldest first.
    public var guests: [SimulatedGuest] { state.withLock { $0.guests } }

    // MARK: For machines

    /// On the machine's queue. Takes a place and starts its process.
    /// - Parameter memory: what a guest that ran for real had in its memory when it was saved.
    func admit(_ machine: VZVirtualMachine, remembering memory: Data? = nil) throws {
        Self.ignoresBrokenPipes
        let guest = machine.guest
        try state.withLock { state in
            if machine.hardware.isMac {
                guard state.running.count + state.otherApps + state.leaked < Self.limit else {
                    throw VZError(
                        .virtualMachineLimitExceeded,
                        "The number of virtual machines exceeds the limit. The maximum supported number of active "
                            + "virtual machines has been reached.")
                }
                state.running.insert(ObjectIdentifier(machine))
            }
            state.guests.append(guest)
        }
        do {
            machine.service = try process(of: machine, guest, memory)
        } catch {
            _ = state.withLock { $0.running.remove(ObjectIdentifier(machine)) }
            throw error
        }
    }

    private func process(
        of machine: VZVirtualMachine, _ guest: SimulatedGuest, _ memory: Data?
    ) throws -> (any MachineProcess)? {
        let behaviour = behaviour
        let disk = machine.hardware.disks.first?.path
        if behaviour.runsGuests, case .linux(_, let initrd?, _) = machine.hardware.platform {
            var shares: [(tag: String, share: SimulatedHardware.Share)] = []
            for case let device as VZVirtioFileSystemDevice in machine.directorySharingDevices {
                if let share = device.simulated { shares.append((device.tag, share)) }
            }
            return try ContainedGuest(
                disk: disk ?? "", initialRamdisk: initrd, shares: shares,
                memory: try memory.map { try ContainedGuest.file(with: $0) },
                console: machine.console
            ) { event in
                switch event {
                case .poweredOff: guest.perform(.powerOff)
                case .restarted: guest.perform(.restart)
                case .died: guest.perform(.crash)
                }
            }
        }
        guard behaviour.hasService, let disk else { return nil }
        return try SimulatedService(holding: disk) { guest.perform(.crash) }
    }

    /// The place is free by the time the process is gone.
    func release(_ machine: VZVirtualMachine) {
        let id = ObjectIdentifier(machine)
        guard let service = machine.service else {
            _ = state.withLock { $0.running.remove(id) }
            return
        }
        machine.service = nil
        let linger = behaviour.serviceLingers
        // The service's own queue may wait; it holds nothing but the process.
        DispatchQueue.global().asyncAfter(deadline: .now() + linger.seconds) { [self] in
            // In this order: whoever sees that the process is gone finds the place free.
            _ = state.withLock { $0.running.remove(id) }
            service.end()
        }
    }

    func guestShutDown() {
        state.withLock { if $0.behaviour.macShutdownLeaksSlot { $0.leaked += 1 } }
    }
}
