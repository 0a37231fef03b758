#if VIRTUALIZATION_DOUBLE
import EngineContract
import Foundation
import Processes
import Support
import Testing
import Virtualization

@testable import VZEngine
@testable import VZEngineApple

/// The same contract with guests that run for real: what the double's own process does for them is as good as what it
/// does for simulated ones.
@Suite(
    "Virtualization.framework keeps the contract of engines, with a guest to log in to", .timeLimit(.minutes(5)),
    .enabled(
        if: LinuxGuest.canRun && geteuid() == 0,
        "skipped, because namespaces need root, and the guest's programs Debian's packages (make deps)"))
struct ContainedContractTests {
    @Test(arguments: EngineContract.clauses)
    func contract(_ clause: EngineContract.Clause) async throws {
        try await EngineContract.check(clause, over: ContainedSubject())
    }
}

private struct ContainedSubject: ContractSubject {
    let cannot: [Ability: String] = [
        .screenshot: "the framework draws in windows only", .noticesRestart: "the framework has no event for it",
    ]

    func make(in directory: String, hasGuest: Bool) async throws -> any ContractMachine {
        let guest = try await LinuxGuest.made()
        let mac = SimulatedMac(at: directory)
        mac.behaviour.runsGuests = true
        let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
        try FileManager.default.createDirectory(atPath: bundle.directory, withIntermediateDirectories: true)
        try FileManager.default.copyItem(atPath: guest.disk, toPath: bundle.directory + "/disk")
        var config = MachineConfig(
            id: UUID().uuidString, sandboxID: "s",
            boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
            credentials: .init(user: guest.user, keyFile: guest.privateKeyFile))
        config.disks = [.init(path: bundle.directory + "/disk", format: .raw)]
        return ContainedMachine(mac: mac, config: config, bundle: bundle)
    }
}

private struct ContainedMachine: ContractMachine {
    let mac: SimulatedMac
    var config: MachineConfig
    let bundle: MachineBundle

    func run() async throws -> any ContractRun {
        let mac = mac
        let engine = AppleEngine(addresses: { _, _ in try #require(mac.guests.last?.address) })
        return SSHRun(
            try await engine.start(config, in: bundle), config.credentials, greeting: LinuxGuest.readyLine,
            panic: "echo c >/.machine/panic")
    }

    var leftovers: [String] {
        get async throws {
            let disk = config.disks.first?.path ?? ""
            let own = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { name in
                guard Int(name) != nil, let line = FileManager.default.contents(atPath: "/proc/\(name)/cmdline") else {
                    return false
                }
                let text = String(decoding: line, as: UTF8.self)
                return text.contains("power_on") && text.contains(disk)
            }
            let files = FileManager.default
            guard files.fileExists(atPath: bundle.runDirectory) else { return own }
            return own + (try files.contentsOfDirectory(atPath: bundle.runDirectory))
        }
    }
}
#endif
