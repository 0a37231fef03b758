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
}
