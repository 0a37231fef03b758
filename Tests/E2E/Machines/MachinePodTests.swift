import Foundation
import Proto
import Support
import Testing

/// Pods of virtual machines, with a real guest under QEMU and no Docker Engine at all.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachinePodTests {
    @Test func `without Docker a machine boots, runs commands, and goes with its pod`() async throws {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("machine")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            #expect(try await shim.sandboxStatus(sandbox).network?.ip.isEmpty == false)
            let machine = try await shim.startMachine("main", in: sandbox, config)
            let answer = try await shim.execute(machine, ["sh", "-c", "echo $0 out; echo err >&2; exit 7", "a b'c"])
            #expect(answer.exitCode == 7 && answer.text == "a b'c out\n" && answer.errorText == "err\n")
            let running = try await shim.status(machine)
            #expect(running.state == .containerRunning && running.startedAt > 0)
            #expect(running.imageRef.hasPrefix("sha256:") && running.imageRef == running.imageId)
            try await shim.stopContainer(machine, grace: 20)
            let end = try await shim.status(machine)
            #expect(end.state == .containerExited && end.exitCode == 143, "\(end)")
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxReady)
        }
    }

    @Test func `a command's output is the log, its exit code the container's, and every run is a fresh disk`()
        async throws
    {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("job")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            for round in 0..<2 {
                let job = try await shim.startMachine(
                    "job\(round)", in: sandbox, config,
                    command: ["sh", "-c", "cat /data/mark 2>/dev/null; echo used > /data/mark; echo done; exit 42"])
                let end = try await shim.ended(job)
                #expect(end.exitCode == 42, "\(end)")
                #expect(end.finishedAt > end.startedAt)
                #expect(try shim.log(config, "job\(round)") == ["done"])
            }
        }
    }

    @Test func `a stopped command has its grace, and then the machine is switched off`() async throws {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("stop")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let polite = try await shim.startMachine(
                "polite", in: sandbox, config,
                command: ["sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while true; do sleep 1 & wait $!; done"])
            try await eventually("it is up", within: .seconds(120)) { try shim.log(config, "polite") == ["up"] }
            try await shim.stopContainer(polite, grace: 30)
            let end = try await shim.status(polite)
            #expect(end.exitCode == 5, "\(end)")
            #expect(try shim.log(config, "polite") == ["up", "bye"])
            let deaf = try await shim.startMachine(
                "deaf", in: sandbox, config,
                command: ["sh", "-c", "trap '' TERM; echo up; while true; do sleep 1; done"])
            try await eventually("it is up", within: .seconds(120)) { try shim.log(config, "deaf") == ["up"] }
            try await shim.stopContainer(deaf, grace: 1)
            #expect(try await shim.status(deaf).exitCode == 137)
        }
    }

    @Test func `a crash, a panic and a lost supervisor are told apart`() async throws {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("ends")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let crashing = try await shim.startMachine("crashing", in: sandbox, config)
            let machine = try Leftovers.processes(below: "\(shim.directory)/state").filter {
                $0.contains("qemu-system")
            }
            #expect(machine.count == 1)
            kill(try #require(Int32(machine[0].split(separator: " ")[0])), SIGKILL)
            let crash = try await shim.ended(crashing)
            #expect(crash.exitCode == 139 && crash.reason == "MachineCrashed")

            let panicking = try await shim.startMachine("panicking", in: sandbox, config)
            _ = try? await shim.execute(panicking, ["sh", "-c", "echo c > /proc/sysrq-trigger"])
            let panic = try await shim.ended(panicking)
            #expect(panic.exitCode == 1 && panic.reason == "GuestPanicked", "\(panic)")

            let orphan = try await shim.startMachine("orphan", in: sandbox, config)
            let supervisor = try Leftovers.processes(below: "\(shim.directory)/state")
                .filter { $0.contains("vm-host") && $0.contains(orphan) }
            #expect(supervisor.count == 1)
            kill(try #require(Int32(supervisor[0].split(separator: " ")[0])), SIGKILL)
            let lost = try await shim.ended(orphan)
            #expect(lost.exitCode == 255 && lost.reason == "SupervisorLost")
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxReady)
        }
    }

    @Test func `a machine image is not for Docker, and an unknown handler is refused`() async throws {
        try await MachineHost.with { shim in
            await #expect(throws: (any Error).self) {
                _ = try await shim.runSandbox(shim.sandboxConfig("docker"), handler: "docker")
            }
            let images = try await shim.call(CRI.ImageService.listImages, .init()).images
            #expect(images.map(\.repoTags) == [[MachineHost.image]])
            #expect(images.first?.id.hasPrefix("sha256:") == true)
        }
    }
}
