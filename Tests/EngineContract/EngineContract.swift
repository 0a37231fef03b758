import Processes
import Support
public import Testing
import VZEngine

/// What every engine promises of its machines, in clauses; each is checked with machines of its own.
public enum EngineContract {
    public struct Clause: Sendable, CustomTestStringConvertible {
        public let name: String
        let check: @Sendable (any ContractSubject, String) async throws -> Void

        init(_ name: String, _ check: @escaping @Sendable (any ContractSubject, String) async throws -> Void) {
            self.name = name
            self.check = check
        }

        public var testDescription: String { name }
    }

    public static let clauses = lifeClauses + endClauses + abilityClauses + shareClauses

    public static func check(_ clause: Clause, over subject: any ContractSubject) async throws {
        try await withTemporaryDirectory { directory async throws in try await clause.check(subject, directory) }
    }

    // MARK: What the clauses have in common

    static func expectNothing(
        of run: any ContractRun, _ machine: any ContractMachine, _ location: SourceLocation = #_sourceLocation
    ) async throws {
        for process in run.machine.processes {
            #expect(!process.isAlive, "\(process)", sourceLocation: location)
        }
        #expect(try await machine.leftovers == [], sourceLocation: location)
    }

    /// Ends it whatever a clause thinks of it.
    static func finish(_ run: any ContractRun, _ machine: any ContractMachine) async throws {
        await run.machine.powerOff()
        _ = await run.machine.waitForEnd()
        try await expectNothing(of: run, machine)
    }

    /// - Returns: whether it could; when it is listed as what the subject cannot, it must be refused, and harm nothing.
    static func works(
        _ ability: Ability, _ subject: any ContractSubject, _ run: any ContractRun,
        _ body: @Sendable () async throws -> Void
    ) async throws -> Bool {
        guard subject.cannot[ability] != nil else {
            try await body()
            return true
        }
        let error = await #expect(throws: VZEngineError.self, "\(ability) is listed as what it cannot") {
            () async throws in try await body()
        }
        #expect(error?.code == .unsupported)
        #expect(run.machine.processes.allSatisfy { $0.isAlive })
        return false
    }

    static func code(_ body: @Sendable () async throws -> Void) async -> VZEngineError.Code? {
        await #expect(throws: VZEngineError.self) { () async throws in try await body() }?.code
    }
}
