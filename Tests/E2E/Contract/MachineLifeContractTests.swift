import Foundation
import Proto
import RPC
import Support
import Testing

/// From its creation to its end.
@Suite(.enabled(if: ContractHost.canRun, ContractHost.skipReason)) struct MachineLifeContractTests {
    @Test(arguments: ContractHost.allCases)
    func `a machine is made, runs commands, is listed, stopped and removed, and again is nothing`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
            let config = shim.sandboxConfig("machine")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            func listed() async throws -> [CRI.ContainerState] {
                try await shim.call(CRI.RuntimeService.listContainers, .init()).containers.map(\.state)
            }
            let machine = try await shim.createMachine("main", in: sandbox, config)
            #expect(try await listed() == [.containerCreated])
            let twice = await status { _ = try await shim.createMachine("main", in: sandbox, config) }
            #expect(twice?.code == .alreadyExists)
            try await shim.startContainer(machine)
            #expect(try await listed() == [.containerRunning])
            let again = await status { try await shim.startContainer(machine) }
            #expect(again != nil)
            let answer = try await shim.execute(machine, ["sh", "-c", "echo $0 out; echo err >&2; exit 7", "a b'c"])
            #expect(answer.exitCode == 7 && answer.text == "a b'c out\n" && answer.errorText == "err\n")
            let running = try await shim.status(machine)
            #expect(running.state == .containerRunning && running.startedAt > 0)
            #expect(running.imageRef.hasPrefix("sha256:") && running.imageRef == running.imageId)
            // The guest itself is the container: its console is the log, and the power button its end.
            try await eventually("its console is the log") {
                try shim.log(config, "main").contains { $0.contains(LinuxGuest.readyLine) }
            }
            for _ in 0..<2 { try await shim.stopContainer(machine, grace: 20) }
            let end = try await shim.status(machine)
            #expect(end.state == .containerExited && end.exitCode == 143, "\(end)")
            #expect(try await listed() == [.containerExited])
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxReady)
            for _ in 0..<2 {
                _ = try await shim.call(CRI.RuntimeService.removeContainer, .init { $0.containerId = machine })
            }
            #expect(try await listed().isEmpty)
            #expect(await status { _ = try await shim.status(machine) }?.code == .notFound)
            for _ in 0..<2 {
                _ = try await shim.call(CRI.RuntimeService.stopPodSandbox, .init { $0.podSandboxId = sandbox })
            }
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxNotready)
            for _ in 0..<2 {
                _ = try await shim.call(CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox })
            }
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `a command's output is the log, its exit code the container's, and every run is a fresh disk`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
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

    @Test(arguments: ContractHost.allCases)
    func `a stopped command has its grace, and then the machine is switched off`(_ host: ContractHost) async throws {
        try await host.with { shim in
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

    @Test(arguments: ContractHost.allCases)
    func `a crash, a panic and a lost supervisor are told apart`(_ host: ContractHost) async throws {
        try await host.with { shim in
            let config = shim.sandboxConfig("ends")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let crashing = try await shim.startMachine("crashing", in: sandbox, config)
            kill(try host.process(of: crashing, shim), SIGKILL)
            let crash = try await shim.ended(crashing)
            #expect(crash.exitCode == 139 && crash.reason == "MachineCrashed")

            let panicking = try await shim.startMachine("panicking", in: sandbox, config)
            _ = try? await shim.execute(panicking, ["sh", "-c", host.panic])
            let panic = try await shim.ended(panicking)
            #expect(panic.exitCode == 1 && panic.reason == "GuestPanicked", "\(panic)")

            let orphan = try await shim.startMachine("orphan", in: sandbox, config)
            kill(try ContractHost.supervisor(of: orphan, shim), SIGKILL)
            let lost = try await shim.ended(orphan)
            #expect(lost.exitCode == 255 && lost.reason == "SupervisorLost")
            #expect(try await shim.sandboxStatus(sandbox).state == .sandboxReady)
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `a guest that restarts is the same container, set up anew; one that switches itself off has completed`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
            let shared = shim.directory + "/shared"
            try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: true)
            let config = shim.sandboxConfig("restart")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config,
                mounts: [
                    .init {
                        $0.containerPath = "/shared"
                        $0.hostPath = shared
                    }
                ])
            let before = try await shim.status(machine)
            try await shim.run("echo memory >/tmp/mark; echo disk >/data/mark; sync", in: machine)
            let first = try await shim.run("cat /proc/sys/kernel/random/boot_id", in: machine)
            try await shim.run("(sleep 1; reboot -f) >/dev/null 2>&1 </dev/null &", in: machine)
            try await eventually("the guest is back, and set up", within: .seconds(120)) {
                // What is asked while it goes down is lost with it.
                let seen = try? await shim.execute(
                    machine,
                    [
                        "sh", "-c",
                        "cat /proc/sys/kernel/random/boot_id; cat /tmp/mark 2>/dev/null; cat /data/mark; echo here >/shared/f",
                    ])
                guard let seen, seen.exitCode == 0, !seen.text.hasPrefix(first) else { return false }
                // Its memory is empty, and its disk is not.
                #expect(seen.text.split(separator: "\n").dropFirst() == ["disk"], "\(seen.text)")
                return true
            }
            #expect(try String(contentsOfFile: shared + "/f", encoding: .utf8) == "here\n")
            let after = try await shim.status(machine)
            #expect(after.state == .containerRunning && after.startedAt == before.startedAt)
            try await shim.run("(sleep 1; poweroff -f) >/dev/null 2>&1 </dev/null &", in: machine)
            let end = try await shim.ended(machine)
            #expect(end.exitCode == 0 && end.reason == "Completed", "\(end)")
        }
    }
}
