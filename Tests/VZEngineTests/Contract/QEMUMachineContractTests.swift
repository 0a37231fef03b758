import EngineContract
import Support
import Testing

@testable import VZEngine

/// With a real guest.
@Suite(
    "QEMU keeps the contract of engines", .enabled(if: LinuxGuest.canRun, "skipped, because there is no QEMU"),
    .serialized, .timeLimit(.minutes(10)))
struct QEMUMachineContractTests {
    @Test(arguments: EngineContract.clauses)
    func contract(_ clause: EngineContract.Clause) async throws {
        try await EngineContract.check(clause, over: QEMUSubject())
    }
}

struct QEMUSubject: ContractSubject {
    let cannot: [Ability: String] = [
        .replaceShare: "a file server serves the directory it was started with"
    ]

    func make(in directory: String, hasGuest: Bool) async throws -> any ContractMachine {
        hasGuest ? try await TestMachine.guest(directory) : try TestMachine.idle(directory)
    }
}

extension TestMachine: ContractMachine {
    func run() async throws -> any ContractRun {
        SSHRun(try await startAlone(), config.credentials, greeting: LinuxGuest.readyLine)
    }
}
