import Foundation
import Proto
import Support
import Testing

/// Supervisors and machines that die at any point of their lives.
@Suite(.enabled(if: ContractHost.canRun, ContractHost.skipReason)) struct MachineFaultContractTests {
    private enum Victim: CaseIterable { case supervisor, machine }

    @Test(.timeLimit(.minutes(60)), arguments: ContractHost.allCases)
    func `random kills of supervisors and of machines are told as what they are, and leave the shim as it was`(
        _ host: ContractHost
    ) async throws {
        var random = Faults.random("killing vm-host and machines at any point of their lives (\(host))")
        try await host.with { shim in
            // The first makes what all share.
            _ = try await Self.job(shim, "first")
            var before: Footprint?
            for round in 0..<Faults.rounds {
                let victim = Victim.allCases.randomElement(using: &random)!
                let pause = Duration.milliseconds(Int.random(in: 0...host.lifeMilliseconds, using: &random))
                let work = Task { try await Self.job(shim, "pod-\(round)") }
                try await Task.sleep(for: pause)
                let isKilled = try Self.strike(victim, of: shim, on: host)
                switch await work.result {
                case .success(let end):
                    // Killed before, while, and after its command ran; or there was nobody to kill.
                    let codes: [Int32] =
                        switch victim {
                        case _ where !isKilled: [9]
                        case .supervisor: [255, 9]
                        case .machine: [139, 9]
                        }
                    #expect(codes.contains(end.exitCode), "\(victim) killed after \(pause): \(end)")
                    if end.exitCode == 255 { #expect(end.reason == "SupervisorLost", "\(end)") }
                case .failure(let error):
                    // The start was waiting for it.
                    #expect(isKilled, "\(victim) after \(pause): \(error)")
                }
                try await shim.removeEverything()
                try await eventually("no machine is left") {
                    try Leftovers.processes(below: "\(shim.directory)/state").allSatisfy { line in
                        !["vm-host run", "vm-host-double run", "virtiofsd", host.mark].contains { line.contains($0) }
                    }
                }
                let left = try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/machines")
                #expect(left.isEmpty)
                // By then it has been everywhere once, and its allocator has what it needs.
                if round == Faults.rounds / 2 { before = try shim.footprint() }
            }
            guard let before else { return }
            let after = try shim.footprint()
            print("the shim before \(before), after \(after)")
            #expect(after.isNoMore(than: before), "before \(before), after \(after)")
        }
    }

    private static func job(_ shim: ShimProcess, _ name: String) async throws -> CRI.ContainerStatus {
        let config = shim.sandboxConfig(name)
        let sandbox = try await shim.runSandbox(config, handler: "vm")
        let job = try await shim.startMachine("job", in: sandbox, config, command: ["sh", "-c", "exit 9"])
        return try await shim.ended(job)
    }

    /// - Returns: whether there was one.
    private static func strike(_ victim: Victim, of shim: ShimProcess, on host: ContractHost) throws -> Bool {
        let lines = try Leftovers.processes(below: shim.directory + "/state/machines")
        let found = lines.filter { line in
            switch victim {
            case .supervisor: line.split(separator: " ").dropFirst().first.map { $0.contains("vm-host") } == true
            case .machine: line.contains(host.mark)
            }
        }
        let ids = found.compactMap { $0.split(separator: " ").first.flatMap { Int32($0) } }
        for id in ids { kill(id, SIGKILL) }
        return !ids.isEmpty
    }
}
