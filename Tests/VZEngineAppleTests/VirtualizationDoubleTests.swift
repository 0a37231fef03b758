#if VIRTUALIZATION_DOUBLE
import Dispatch
import Foundation
import Support
import Testing
import Virtualization

/// The double refuses what Apple's framework refuses: otherwise what passes over it would mean little.
@Suite("The double of Virtualization.framework")
struct VirtualizationDoubleTests {
    /// A machine on a queue of its own, and what is done to it.
    private struct Bench: @unchecked Sendable {
        let queue = DispatchQueue(label: "bench")
        let machine: VZVirtualMachine

        init(_ directory: String, _ change: (VZVirtualMachineConfiguration) throws -> Void = { _ in }) throws {
            let configuration = try Self.configuration(directory)
            try change(configuration)
            machine = VZVirtualMachine(configuration: configuration, queue: queue)
        }

        static func configuration(_ directory: String) throws -> VZVirtualMachineConfiguration {
            let disk = URL(fileURLWithPath: directory + "/disk")
            try Data(count: 512).write(to: disk)
            try Data("aux".utf8).write(to: URL(fileURLWithPath: directory + "/aux"))
            let platform = VZMacPlatformConfiguration()
            platform.hardwareModel = VZMacHardwareModel(dataRepresentation: Data("model:test".utf8))!
            platform.auxiliaryStorage = VZMacAuxiliaryStorage(url: URL(fileURLWithPath: directory + "/aux"))
            let configuration = VZVirtualMachineConfiguration()
            configuration.bootLoader = VZMacOSBootLoader()
            configuration.platform = platform
            configuration.cpuCount = 2
            configuration.memorySize = 4 << 30
            configuration.storageDevices = [
                VZVirtioBlockDeviceConfiguration(
                    attachment: try VZDiskImageStorageDeviceAttachment(url: disk, readOnly: false))
            ]
            configuration.graphicsDevices = [VZMacGraphicsDeviceConfiguration()]
            return configuration
        }

        func on<Value: Sendable>(_ body: @Sendable (VZVirtualMachine) throws -> Value) rethrows -> Value {
            try queue.sync { try body(machine) }
        }

        func ask(
            _ body: @escaping @Sendable (VZVirtualMachine, @escaping @Sendable ((any Error)?) -> Void) -> Void
        ) async -> VZError? {
            await withCheckedContinuation { answer in
                queue.async { body(machine) { answer.resume(returning: $0 as? VZError) } }
            }
        }

        func start() async -> VZError? {
            await ask { machine, done in machine.start { done($0.error) } }
        }

        func stop() async -> VZError? { await ask { $0.stop(completionHandler: $1) } }
        func pause() async -> VZError? { await ask { machine, done in machine.pause { done($0.error) } } }
        func resume() async -> VZError? { await ask { machine, done in machine.resume { done($0.error) } } }
        func save(_ path: String) async -> VZError? {
            await ask { $0.saveMachineStateTo(url: URL(fileURLWithPath: path), completionHandler: $1) }
        }
        func restore(_ path: String) async -> VZError? {
            await ask { $0.restoreMachineStateFrom(url: URL(fileURLWithPath: path), completionHandler: $1) }
        }
    }

    private func onMac(_ body: (SimulatedMac, String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory async throws in
            try await body(SimulatedMac(at: directory), directory)
        }
    }

    @Test("a machine is touched on its queue only")
    func queue() async {
        await #expect(processExitsWith: .failure) {
            let configuration = VZVirtualMachineConfiguration()
            let machine = VZVirtualMachine(configuration: configuration, queue: DispatchQueue(label: "its own"))
            _ = machine.state
        }
        await #expect(processExitsWith: .success) {
            let queue = DispatchQueue(label: "its own")
            let machine = VZVirtualMachine(configuration: VZVirtualMachineConfiguration(), queue: queue)
            _ = machine.queue
            queue.sync { precondition(machine.state == .stopped) }
        }
    }

    @Test("only the transitions there are")
    func transitions() async throws {
        try await onMac { _, directory async throws in
            let bench = try Bench(directory)
            let refused = VZError(.invalidVirtualMachineStateTransition)
            #expect(await bench.stop() == refused)
            #expect(await bench.pause() == refused)
            #expect(await bench.resume() == refused)
            #expect(throws: refused) { try bench.on { try $0.requestStop() } }
            #expect(await bench.start() == nil)
            #expect(bench.on { $0.state } == .running)
            #expect(await bench.start() == refused)
            #expect(await bench.restore(directory + "/s") == refused)
            #expect(await bench.save(directory + "/s") == refused)
            #expect(await bench.pause() == nil)
            #expect(await bench.pause() == refused)
            #expect(await bench.resume() == nil)
            #expect(await bench.stop() == nil)
            #expect(bench.on { $0.state } == .stopped)
        }
    }

    @Test("two Macs run at a time, whoever's they are; a place may leak")
    func limit() async throws {
        try await onMac { mac, directory async throws in
            let (one, two, three) = (try Bench(directory), try Bench(directory), try Bench(directory))
            #expect(await one.start() == nil)
            #expect(await two.start() == nil)
            #expect(await three.start() == VZError(.virtualMachineLimitExceeded))
            #expect(three.on { $0.state } == .stopped)
            #expect(await one.stop() == nil)
            try await eventually("its place is free") { mac.macsRunning == 1 }
            mac.macsOfOtherApps = 1
            #expect(await three.start() == VZError(.virtualMachineLimitExceeded))
            mac.macsOfOtherApps = 0
            mac.behaviour.macShutdownLeaksSlot = true
            two.on { machine in
                mac.behaviour.macHeedsPowerButton = true
                try? machine.requestStop()
            }
            try await eventually("it shuts down") { two.on { $0.state } == .stopped && mac.macsRunning == 0 }
            #expect(mac.leakedSlots == 1)
            #expect(await three.start() == nil)
            #expect(await one.start() == VZError(.virtualMachineLimitExceeded))
            #expect(await three.stop() == nil)
        }
    }

    @Test("a state goes on only in an equal machine, and is saved only of a paused one")
    func states() async throws {
        try await onMac { _, directory async throws in
            let identifier = VZMacMachineIdentifier()
            func bench(_ cpus: Int, _ own: VZMacMachineIdentifier) throws -> Bench {
                try Bench(directory) {
                    $0.cpuCount = cpus
                    ($0.platform as? VZMacPlatformConfiguration)?.machineIdentifier = own
                }
            }
            let one = try bench(2, identifier)
            #expect(await one.start() == nil)
            #expect(await one.pause() == nil)
            #expect(await one.save(directory + "/s") == nil)
            #expect(await one.stop() == nil)
            #expect(try await bench(4, identifier).restore(directory + "/s") == VZError(.restore))
            #expect(try await bench(2, VZMacMachineIdentifier()).restore(directory + "/s") == VZError(.restore))
            let other = try bench(2, identifier)
            #expect(await other.restore(directory + "/s") == nil)
            #expect(other.on { $0.state } == .paused)
            #expect(await other.resume() == nil)
            #expect(await other.stop() == nil)
        }
    }

    @Test("a Mac with devices for entropy or sound, or with generic keys, cannot be saved")
    func saveable() async throws {
        try await onMac { _, directory async throws in
            let plain = try Bench.configuration(directory)
            plain.keyboards = [VZMacKeyboardConfiguration()]
            plain.pointingDevices = [VZMacTrackpadConfiguration()]
            try plain.validateSaveRestoreSupport()
            for change: (VZVirtualMachineConfiguration) -> Void in [
                { $0.entropyDevices = [VZVirtioEntropyDeviceConfiguration()] },
                { $0.audioDevices = [VZVirtioSoundDeviceConfiguration()] },
                { $0.keyboards = [VZUSBKeyboardConfiguration()] },
                { $0.pointingDevices = [VZUSBScreenCoordinatePointingDeviceConfiguration()] },
            ] {
                let changed = try Bench.configuration(directory)
                change(changed)
                #expect(throws: VZError.self) { try changed.validateSaveRestoreSupport() }
            }
        }
    }

    @Test("a configuration that cannot be is refused")
    func validation() async throws {
        try await onMac { _, directory async throws in
            try Bench.configuration(directory).validate()
            for change: (VZVirtualMachineConfiguration) -> Void in [
                { $0.bootLoader = nil }, { $0.cpuCount = 0 }, { $0.cpuCount = 17 }, { $0.memorySize = (4 << 30) + 1 },
                { $0.memorySize = 1 << 40 }, { $0.memorySize = 1 << 30 }, { $0.graphicsDevices = [] },
                { $0.bootLoader = VZEFIBootLoader() }, { $0.platform = VZGenericPlatformConfiguration() },
                { $0.networkDevices = [VZVirtioNetworkDeviceConfiguration()] },
                { $0.serialPorts = [VZVirtioConsoleDeviceSerialPortConfiguration()] },
                { $0.directorySharingDevices = [VZVirtioFileSystemDeviceConfiguration(tag: "")] },
                { $0.directorySharingDevices = (0..<2).map { _ in VZVirtioFileSystemDeviceConfiguration(tag: "a") } },
            ] {
                let changed = try Bench.configuration(directory)
                change(changed)
                #expect(throws: VZError.self) { try changed.validate() }
            }
            #expect(throws: VZError(.invalidDiskImage)) {
                try VZDiskImageStorageDeviceAttachment(
                    url: URL(fileURLWithPath: directory + "/aux"), readOnly: false)
            }
        }
    }

    @Test("a machine has the configuration it was made with, and holds its delegate weakly")
    func copies() async throws {
        final class Silent: NSObject, VZVirtualMachineDelegate {}
        try await onMac { mac, directory async throws in
            let configuration = try Bench.configuration(directory)
            let queue = DispatchQueue(label: "q")
            let machine = VZVirtualMachine(configuration: configuration, queue: queue)
            configuration.cpuCount = 8
            queue.sync {
                var delegate: Silent? = Silent()
                machine.delegate = delegate
                #expect(machine.delegate != nil)
                delegate = nil
                #expect(machine.delegate == nil)
                machine.start { _ in }
            }
            try await eventually("it starts") { mac.guests.first?.hardware.cpus == 2 }
            queue.sync { machine.stop { _ in } }
            try await eventually("it stops") { mac.macsRunning == 0 }
        }
    }
}

extension Result where Success == Void {
    fileprivate var error: (any Error)? { if case .failure(let error) = self { error } else { nil } }
}
#endif
