import Foundation
import Proto
import Support
import Testing

/// Daemons that die, are killed with their group, or are exchanged, while machines run.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineKillTests {
    private static let lines = (1...1000).map { "line \($0)" }

    @Test func `a machine's command does not miss a dead shim: every line once, its code, the time it ended`()
        async throws
    {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("alone")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let before = try await shim.sandboxStatus(sandbox)
            let job = try await shim.startMachine(
                "job", in: sandbox, config,
                command: [
                    "sh", "-c",
                    "for i in $(seq 0 19); do for j in $(seq 50); do echo line $((i * 50 + j)); done; usleep 100000; done; exit 42",
                ])
            try await eventually("it prints", within: .seconds(120)) { try shim.log(config, "job").count > 10 }
            let started = try await shim.status(job).startedAt
            await shim.kill()
            // The shim is away for what the issue asks; the command ends meanwhile.
            try await Task.sleep(for: .seconds(10))
            let back = Int64(Date().timeIntervalSince1970 * 1e9)
            try await shim.start()
            let end = try await shim.ended(job)
            #expect(end.exitCode == 42 && end.startedAt == started)
            #expect(end.finishedAt > started && end.finishedAt < back)
            #expect(try shim.log(config, "job") == Self.lines)
            let after = try await shim.sandboxStatus(sandbox)
            #expect(after.state == .sandboxReady && after.network == before.network)
        }
    }

    @Test func `random kills of the shim at any point of a machine's life lose and leak nothing`() async throws {
        var random = Faults.random("killing cri-shim while machines come and go")
        try await MachineHost.with { shim in
            for round in 0..<Faults.rounds {
                let work = Task {
                    let config = shim.sandboxConfig("pod-\(round)")
                    let sandbox = try await shim.runSandbox(config, handler: "vm")
                    let job = try await shim.startMachine("job", in: sandbox, config, command: ["sh", "-c", "exit 9"])
                    _ = try await shim.ended(job)
                    _ = try await shim.call(CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox })
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...8000, using: &random)))
                await shim.kill()
                work.cancel()
                _ = await work.result
                try await shim.start()
                let containers = try await shim.call(CRI.RuntimeService.listContainers, .init()).containers
                #expect(containers.count <= 1)
                for container in containers {
                    var status = try await shim.status(container.id)
                    // A machine that was started goes on to its end, whoever watches.
                    if status.state == .containerRunning { status = try await shim.ended(container.id) }
                    if status.state == .containerExited { #expect([9, 128].contains(status.exitCode), "\(status)") }
                }
                try await shim.removeEverything()
                try await eventually("no machine is left") {
                    try Leftovers.processes(below: "\(shim.directory)/state").allSatisfy { !$0.contains("qemu") }
                }
                let left = try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/machines")
                #expect(left.isEmpty)
            }
        }
    }

    /// Who is killed, by what its command line has.
    private enum Victim: String, CaseIterable { case supervisor = "vm-host", machine = "qemu-system" }

    @Test(.timeLimit(.minutes(60)))
    func `random kills of supervisors and of QEMU are told as what they are, and leave the shim as it was`()
        async throws
    {
        var random = Faults.random("killing vm-host and QEMU at any point of a machine's life")
        try await MachineHost.with { shim in
            // The first makes what all share.
            _ = try await Self.job(shim, "first")
            var before: Footprint?
            for round in 0..<Faults.rounds {
                let victim = Victim.allCases.randomElement(using: &random)!
                let pause = Duration.milliseconds(Int.random(in: 0...6000, using: &random))
                let work = Task { try await Self.job(shim, "pod-\(round)") }
                try await Task.sleep(for: pause)
                let isKilled = try Self.strike(victim, of: shim)
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
                        !Victim.allCases.contains { line.contains($0.rawValue) } && !line.contains("virtiofsd")
                    }
                }
                let left = try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/machines")
                #expect(left.isEmpty)
                if round == 1 { before = try shim.footprint() }
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
    private static func strike(_ victim: Victim, of shim: ShimProcess) throws -> Bool {
        let lines = try Leftovers.processes(below: shim.directory + "/state/machines")
        // Not the supervisor's own children, whose command lines name other programs.
        let found = lines.filter { line in
            line.split(separator: " ").dropFirst().first.map { $0.contains(victim.rawValue) } == true
        }
        let ids = found.compactMap { $0.split(separator: " ").first.flatMap { Int32($0) } }
        for id in ids { kill(id, SIGKILL) }
        return !ids.isEmpty
    }
}
