#if VIRTUALIZATION_DOUBLE
import EngineContract
import Testing

/// Over the tests' double of the framework. On a Mac, `make mac-check` does the same with a real guest.
@Suite("Virtualization.framework keeps the contract of engines", .timeLimit(.minutes(5)))
struct AppleContractTests {
    @Test(arguments: AppleTestMachine.Kind.allCases, EngineContract.clauses)
    func contract(_ kind: AppleTestMachine.Kind, _ clause: EngineContract.Clause) async throws {
        try await EngineContract.check(clause, over: AppleSubject(kind: kind))
    }
}
#endif
