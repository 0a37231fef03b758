import EngineContract
import Foundation
import Support
import Testing
import VZEngine
import VZEngineApple

/// On a Mac, with a real guest: `make mac-check`.
@Suite(
    "Virtualization.framework keeps the contract with a real guest",
    .enabled(if: isMacCheck, "skipped, because this is not `make mac-check` on a Mac"), .serialized,
    .timeLimit(.minutes(10)))
struct MacMachineContractTests {
    @Test(arguments: EngineContract.clauses)
    func contract(_ clause: EngineContract.Clause) async throws {
        try await EngineContract.check(clause, over: RealSubject())
    }
}

private let isMacCheck = ProcessInfo.processInfo.environment["VZCRI_MAC_CHECK"] == "1"

private struct RealSubject: ContractSubject {
    let cannot: [Ability: String] = [
        .screenshot: "the framework draws in windows only", .noticesRestart: "the framework has no event for it",
    ]

    func make(in directory: String, hasGuest: Bool) async throws -> any ContractMachine {
        let guest = try await LinuxGuest.made()
        let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
        try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
        var config = MachineConfig(
            id: UUID().uuidString, sandboxID: "s",
            boot: .kernel(
                path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine + " console=hvc0"),
            credentials: .init(user: guest.user, keyFile: guest.privateKeyFile))
        let disk = try await DiskClone.make(
            of: guest.disk, format: .raw, at: bundle.directory + "/disk", method: .reflink)
        config.disks = [disk.disk]
        return RealMachine(config: config, bundle: bundle)
    }
}

private struct RealMachine: ContractMachine {
    var config: MachineConfig
    let bundle: MachineBundle

    func run() async throws -> any ContractRun {
        let engine = AppleEngine(watching: { _ in Self.sources })
        return SSHRun(
            try await engine.start(config, in: bundle), config.credentials, greeting: LinuxGuest.readyLine)
    }

    /// As `vm-host` does it.
    private static var sources: [any AddressDiscovery] {
        #if canImport(Darwin)
        SystemAddressDiscovery.ofSharedNetwork
        #else
        []
        #endif
    }

    var leftovers: [String] {
        get throws {
            guard FileManager.default.fileExists(atPath: bundle.runDirectory) else { return [] }
            return try FileManager.default.contentsOfDirectory(atPath: bundle.runDirectory)
        }
    }
}
