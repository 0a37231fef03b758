#if VIRTUALIZATION_DOUBLE
import EngineContract
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Processes
import Support
import Testing
import Virtualization

@testable import VZEngine
@testable import VZEngineApple

/// A machine on a simulated Mac.
struct AppleTestMachine: ContractMachine {
    enum Kind: String, Sendable, CaseIterable { case linux, efi, mac }

    let mac: SimulatedMac
    var config: MachineConfig
    let bundle: MachineBundle
    var options = AppleOptions()
    var addresses: AppleEngine.AddressDiscovery = { mac, _ in "192.168.64.\(mac.utf8.reduce(0) { $0 &+ Int($1) } % 250)"
    }
    /// In the place of ``addresses``.
    var sources: AppleEngine.AddressSources?

    /// - Parameter name: several machines of one Mac have one each.
    static func make(
        _ kind: Kind, on mac: SimulatedMac, in directory: String, name: String = "m"
    ) async throws -> AppleTestMachine {
        let bundle = MachineBundle(directory: "\(directory)/\(name)", runDirectory: "\(directory)/\(name)-run")
        try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
        func file(_ name: String, _ text: String) throws -> String {
            let path = bundle.directory + "/" + name
            try text.write(toFile: path, atomically: false, encoding: .utf8)
            return path
        }
        let boot: MachineConfig.Boot
        switch kind {
        case .linux: boot = .kernel(path: try file("kernel", "kernel"), initrd: nil, commandLine: "console=hvc0")
        case .efi: boot = .efi(variables: nil)
        case .mac:
            // As a new one has it: its identifier is made when it starts.
            boot = .mac(
                hardwareModel: try file("model", "model:test"),
                machineIdentifier: bundle.directory + "/machine-identifier",
                auxiliaryStorage: try file("auxiliary-storage", "aux"))
        }
        var config = MachineConfig(
            id: name + String(repeating: "0", count: 63), sandboxID: "s", boot: boot, credentials: .init(user: "u"))
        config.guestOS = kind == .mac ? .macos : .linux
        config.memoryBytes = kind == .mac ? 8 << 30 : 512 << 20
        config.cpus = 2
        config.disks = [.init(path: try file("disk", String(repeating: "\0", count: 1024)), format: .raw)]
        return AppleTestMachine(mac: mac, config: config, bundle: bundle)
    }

    func start() async throws -> AppleRun {
        let logger = Logger(label: "test")
        let engine =
            sources.map { AppleEngine(options, watching: $0, logger: logger) }
            ?? AppleEngine(options, addresses: addresses, logger: logger)
        let before = mac.guests.count
        let machine = try await engine.start(config, in: bundle)
        let disk = URL(filePath: config.disks[0].path).resolvingSymlinksInPath().path
        let guest = mac.guests[before...].last { $0.hardware.disks.first?.path == disk }
        return AppleRun(machine: machine, guest: guest!, greeting: mac.behaviour.bootText)
    }

    func run() async throws -> any ContractRun { try await start() }

    var leftovers: [String] {
        get async throws {
            // A child that somebody starts just now has what this process has, for a moment.
            let end = ContinuousClock.now + .seconds(10)
            var processes: [String] = []
            while true {
                processes = config.disks.flatMap { DiskHolders.of($0.path) }.map { "process \($0.id)" }
                if processes.isEmpty || ContinuousClock.now > end { break }
                try await Task.sleep(for: .milliseconds(20))
            }
            let places = mac.macsRunning == 0 ? [] : ["\(mac.macsRunning) of the host's places"]
            let files = FileManager.default
            guard files.fileExists(atPath: bundle.runDirectory) else { return processes + places }
            return try files.contentsOfDirectory(atPath: bundle.runDirectory) + processes + places
        }
    }
}

/// It runs, and what its console said is kept.
final class AppleRun: ContractRun {
    let machine: any Machine
    let guest: SimulatedGuest
    let greeting: String
    private let said = NIOLockedValueBox("")
    private let reader: Task<Void, Never>

    init(machine: any Machine, guest: SimulatedGuest, greeting: String) {
        (self.machine, self.guest, self.greeting) = (machine, guest, greeting)
        let (said, console) = (said, machine.console)
        reader = Task { for await bytes in console { said.withLockedValue { $0 += String(buffer: bytes) } } }
    }

    var console: String { said.withLockedValue { $0 } }

    func wholeConsole() async -> String {
        await reader.value
        return console
    }

    func booted() async throws {
        try await eventually("the guest boots") { console.contains(greeting) }
    }

    func perform(_ deed: Deed) async throws {
        switch deed {
        case .powerOff: guest.perform(.powerOff)
        case .panic: guest.perform(.panic(restarts: false))
        case .restart: guest.perform(.restart)
        }
    }

    func remember(_ text: String) async throws { guest.perform(.remember("it", text)) }

    func recall() async throws -> String { await guest.recall("it") ?? "" }

    func read(_ file: String, ofShare tag: String) async throws -> String { try guest.read(file, in: tag) }

    func write(_ text: String, to file: String, ofShare tag: String) async throws -> Bool {
        do {
            try guest.write(text, to: file, in: tag)
            return true
        } catch is CocoaError {
            return false
        }
    }
}

/// A place that tells of addresses what a test wants it to.
final class ToldPlace: AddressDiscovery, Sendable {
    let name = "told"
    private let said: AsyncStream<AddressSighting>
    private let saying: AsyncStream<AddressSighting>.Continuation
    private let state = NIOLockedValueBox<(card: String?, isLeft: Bool)>((nil, false))

    init() { (said, saying) = AsyncStream.makeStream() }

    /// By which card it was asked.
    var card: String? { state.withLockedValue { $0.card } }
    /// Nobody looks any more.
    var isLeft: Bool { state.withLockedValue { $0.isLeft } }

    func say(_ address: String) { saying.yield(AddressSighting(NetworkAddress(address)!, .leased)) }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        state.withLockedValue { $0.card = hardwareAddress.description }
        for await sighting in said { report(sighting) }
        state.withLockedValue { $0.isLeft = true }
    }
}

/// The contract's view of one kind of guest.
struct AppleSubject: ContractSubject {
    let kind: AppleTestMachine.Kind

    var cannot: [Ability: String] {
        var cannot: [Ability: String] = [
            .screenshot: "the framework draws in windows only",
            .noticesRestart: "the framework has no event for it",
        ]
        if kind == .mac {
            cannot[.setMemory] = "macOS has no driver for a balloon"
            cannot[.heedsPowerButton] = "macOS shows a dialog and waits for somebody"
            cannot[.panics] = "macOS writes nothing to a serial console, and restarts"
        }
        return cannot
    }

    func make(in directory: String, hasGuest: Bool) async throws -> any ContractMachine {
        var machine = try await AppleTestMachine.make(kind, on: SimulatedMac(at: directory), in: directory)
        machine.options.panicGrace = .milliseconds(100)
        return machine
    }
}
#endif
