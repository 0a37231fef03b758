#if VIRTUALIZATION_DOUBLE
import Foundation
import Support
import Testing
import Virtualization

@testable import VZEngine
@testable import VZEngineApple

@Suite("What the framework is told of a machine")
struct AppleConfigurationTests {
    /// Starts it, and looks at it as the framework does.
    private func hardware(
        _ kind: AppleTestMachine.Kind, _ change: (inout MachineConfig, String) throws -> Void = { _, _ in }
    ) async throws -> SimulatedHardware {
        try await withTemporaryDirectory { directory async throws in
            var test = try await AppleTestMachine.make(kind, on: SimulatedMac(at: directory), in: directory)
            try change(&test.config, directory)
            let run = try await test.start()
            await run.machine.powerOff()
            return run.guest.hardware
        }
    }

    private func refusal(
        _ kind: AppleTestMachine.Kind, _ change: (inout MachineConfig, String) throws -> Void
    ) async throws -> VZEngineError? {
        try await withTemporaryDirectory { directory async throws in
            var test = try await AppleTestMachine.make(kind, on: SimulatedMac(at: directory), in: directory)
            try change(&test.config, directory)
            let refused = test
            let error = await #expect(throws: VZEngineError.self) { () async throws in _ = try await refused.start() }
            #expect(try await refused.leftovers == [])
            return error
        }
    }

    @Test("a Mac has its model, storage, screen and keys, and nothing that keeps it from being saved")
    func mac() async throws {
        let made = try await hardware(.mac) { config, _ in config.cpus = 4 }
        #expect(made.isMac)
        #expect(made.cpus == 4)
        #expect(made.memory == 8 << 30)
        #expect(made.displays == ["1920x1200@80"])
        #expect(
            made.otherDevices == [
                "VZVirtioConsoleDeviceSerialPortConfiguration", "VZVirtioSocketDeviceConfiguration",
                "VZMacGraphicsDeviceConfiguration", "VZMacKeyboardConfiguration", "VZMacTrackpadConfiguration",
            ])
        let other = try await hardware(.mac) { config, _ in
            config.display = .init(width: 2560, height: 1440, pixelsPerInch: 110)
        }
        #expect(other.displays == ["2560x1440@110"])
    }

    @Test("no machine has a microphone or sound (R12)", arguments: AppleTestMachine.Kind.allCases)
    func noMicrophone(_ kind: AppleTestMachine.Kind) async throws {
        let made = try await hardware(kind) { config, _ in
            config.display = .init(width: 800, height: 600, pixelsPerInch: 80)
        }
        #expect(!made.otherDevices.contains { $0.contains("Sound") || $0.contains("Audio") })
    }

    @Test("every clone of an image is a Mac of its own, and stays the one it is (C13)")
    func identity() async throws {
        try await withTemporaryDirectory { directory async throws in
            let mac = SimulatedMac(at: directory)
            var identifiers: [Data] = []
            for name in ["a", "b", "b"] {
                // A record says where its identifier is, and what is not there yet is made.
                let test = try await AppleTestMachine.make(.mac, on: mac, in: directory, name: name)
                let run = try await test.start()
                identifiers.append(run.guest.hardware.machineIdentifier)
                let kept = test.bundle.directory + "/machine-identifier"
                #expect(FileManager.default.contents(atPath: kept) == identifiers.last)
                await run.machine.powerOff()
            }
            #expect(identifiers[0] != identifiers[1])
            #expect(identifiers[1] == identifiers[2])
        }
    }

    @Test("a start that fails leaves a new machine without identifier, and an older one with its own")
    func identityOfFailure() async throws {
        try await withTemporaryDirectory { directory async throws in
            let mac = SimulatedMac(at: directory)
            let test = try await AppleTestMachine.make(.mac, on: mac, in: directory)
            let kept = test.bundle.directory + "/machine-identifier"
            func fail() async {
                mac.behaviour.startError = .internalError
                await #expect(throws: VZEngineError.self) { () async throws in _ = try await test.start() }
                mac.behaviour.startError = nil
            }
            await fail()
            #expect(!FileManager.default.fileExists(atPath: kept))
            await (try await test.start()).machine.powerOff()
            let identifier = try Data(contentsOf: URL(filePath: kept))
            await fail()
            #expect(try Data(contentsOf: URL(filePath: kept)) == identifier)
        }
    }

    @Test("what is saved goes on with its files elsewhere, the Mac that it was, and keeps its identifier there")
    func identityOfSaved() async throws {
        try await withTemporaryDirectory { directory async throws in
            let mac = SimulatedMac(at: directory)
            let test = try await AppleTestMachine.make(.mac, on: mac, in: directory, name: "a")
            let run = try await test.start()
            run.guest.perform(.remember("it", "x"))
            try await run.machine.pause()
            try await run.machine.save(to: directory + "/state")
            await run.machine.powerOff()
            var other = try await AppleTestMachine.make(.mac, on: mac, in: directory, name: "b")
            other.config.network.macAddress = run.guest.hardware.macAddresses[0]
            other.config.restoreFrom = directory + "/state"
            let restored = try await other.start()
            #expect(await restored.guest.recall("it") == "x")
            #expect(restored.guest.hardware.machineIdentifier == run.guest.hardware.machineIdentifier)
            let kept = other.bundle.directory + "/machine-identifier"
            #expect(FileManager.default.contents(atPath: kept) == run.guest.hardware.machineIdentifier)
            await restored.machine.powerOff()
            // With another card it would be another machine.
            other.config.network.macAddress = "52:54:00:00:00:99"
            let refused = other
            await #expect(throws: VZEngineError.self) { () async throws in _ = try await refused.start() }
        }
    }

    @Test("a Linux guest starts from a kernel, or by firmware whose variables last")
    func linux() async throws {
        let kernel = try await hardware(.linux) { config, directory in
            try "i".write(toFile: directory + "/initrd", atomically: false, encoding: .utf8)
            guard case .kernel(let path, _, let line) = config.boot else { return }
            config.boot = .kernel(path: path, initrd: directory + "/initrd", commandLine: line)
        }
        guard case .linux(let path, let initrd, let line) = kernel.platform else {
            Issue.record("\(kernel.platform)")
            return
        }
        #expect(path.hasSuffix("/kernel"))
        #expect(initrd?.hasSuffix("/initrd") == true)
        #expect(line == "console=hvc0")
        #expect(kernel.displays.isEmpty)
        #expect(kernel.otherDevices.contains("VZVirtioEntropyDeviceConfiguration"))
        #expect(kernel.otherDevices.contains("VZVirtioTraditionalMemoryBalloonDeviceConfiguration"))
        let efi = try await hardware(.efi) { config, _ in
            config.display = .init(width: 800, height: 600, pixelsPerInch: 80)
        }
        guard case .efi(let variables) = efi.platform else {
            Issue.record("\(efi.platform)")
            return
        }
        #expect(variables.hasSuffix("/efi-variables"))
        #expect(efi.displays == ["800x600"])
        #expect(efi.otherDevices.contains("VZUSBKeyboardConfiguration"))
    }

    @Test("disks of Linux guests are cached; what is kept is written through, what is not is not")
    func disks() async throws {
        func mode(
            _ kind: AppleTestMachine.Kind, _ change: @escaping (inout MachineConfig) -> Void
        ) async throws -> (VZDiskImageCachingMode?, VZDiskImageSynchronizationMode?) {
            let disk = try #require(try await hardware(kind) { config, _ in change(&config) }.disks.first)
            return (.init(rawValue: disk.caching), .init(rawValue: disk.synchronization))
        }
        #expect(try await mode(.linux) { _ in } == (.cached, .fsync))
        #expect(try await mode(.mac) { _ in } == (.automatic, .fsync))
        #expect(try await mode(.mac) { $0.keepsDisk = true } == (.automatic, .full))
        #expect(
            try await mode(.efi) {
                $0.diskCaching = .uncached
                $0.diskSynchronization = MachineConfig.DiskSynchronization.none
            } == (.uncached, VZDiskImageSynchronizationMode.none))
    }

    @Test("a machine is on the framework's own network, or bridged to an interface by its name")
    func network() async throws {
        let own = try await hardware(.linux) { config, _ in config.network.macAddress = "52:54:00:0A:0b:0c" }
        #expect(own.networks == ["nat"])
        #expect(own.macAddresses == ["52:54:00:0a:0b:0c"])
        let bridged = try await hardware(.linux) { config, _ in
            config.network.mode = .bridged
            config.network.interface = "en1"
        }
        #expect(bridged.networks == ["bridged en1"])
        let error = try await refusal(.linux) { config, _ in
            config.network.mode = .bridged
            config.network.interface = "en7"
        }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message.contains("en7") == true)
        #expect(error?.message.contains("en0, en1") == true)
    }

    @Test("memory is rounded up to whole megabytes; paths lose their links")
    func rounding() async throws {
        let made = try await hardware(.linux) { config, directory in
            config.memoryBytes = (300 << 20) + 1
            try FileManager.default.createSymbolicLink(
                atPath: directory + "/link", withDestinationPath: config.disks[0].path)
            config.disks[0].path = directory + "/link"
        }
        #expect(made.memory == 301 << 20)
        #expect(made.disks.first?.path.hasSuffix("/m/disk") == true)
    }

    @Test("what the framework cannot is refused in words that say what to do")
    func refusals() async throws {
        typealias Change = (inout MachineConfig, String) throws -> Void
        let table: [(AppleTestMachine.Kind, String, Change)] = [
            (.linux, "qemu-img convert", { config, _ in config.disks[0].format = .qcow2 }),
            (.linux, "1 to 16", { config, _ in config.cpus = 17 }),
            (.linux, "MiB", { config, _ in config.memoryBytes = 1 << 50 }),
            (.mac, "no disk", { config, _ in config.disks = [] }),
            (.mac, "macOS guest starts as a Mac", { config, _ in config.boot = .efi(variables: nil) }),
            (
                .linux, "as a Mac does",
                { config, _ in
                    config.boot = .mac(hardwareModel: "/a", machineIdentifier: "/b", auxiliaryStorage: "/c")
                }
            ),
            (.mac, "of its own", { config, _ in config.nestedVirtualization = true }),
            (.linux, "M3", { config, _ in config.nestedVirtualization = true }),
            (
                .linux, "raw image of whole sectors",
                { config, _ in
                    try "odd".write(toFile: config.disks[0].path, atomically: false, encoding: .utf8)
                }
            ),
            (
                .mac, "update macOS",
                { config, _ in
                    guard case .mac(let model, _, _) = config.boot else { return }
                    try "model:future".write(toFile: model, atomically: false, encoding: .utf8)
                }
            ),
            (
                .mac, "no hardware model",
                { config, _ in
                    guard case .mac(let model, _, _) = config.boot else { return }
                    try "junk".write(toFile: model, atomically: false, encoding: .utf8)
                }
            ),
            (
                .mac, "no identifier",
                { config, _ in
                    guard case .mac(_, let identifier, _) = config.boot else { return }
                    try "junk".write(toFile: identifier, atomically: false, encoding: .utf8)
                }
            ),
            (
                .mac, "auxiliary storage",
                { config, _ in
                    guard case .mac(_, _, let storage) = config.boot else { return }
                    try FileManager.default.removeItem(atPath: storage)
                }
            ),
            (.linux, "display", { config, _ in config.display = .init(width: 0, height: 1, pixelsPerInch: 80) }),
            (.linux, "hardware address", { config, _ in config.network.macAddress = "01:00:5e:00:00:01" }),
        ]
        for (kind, words, change) in table {
            let error = try await refusal(kind, change)
            #expect(error?.description.contains(words) == true, "\(words): \(error as Any)")
        }
    }
}
#endif
