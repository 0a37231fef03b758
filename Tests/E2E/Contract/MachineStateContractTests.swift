import Foundation
import Proto
import RPC
import Support
import Testing

/// What the shim knows of machines and does with them: across its own end, with their slots, what they use, their states.
@Suite(.enabled(if: ContractHost.canRun, ContractHost.skipReason)) struct MachineStateContractTests {
    @Test(arguments: ContractHost.allCases)
    func `the end of the shim's process group is not the end of its machines`(_ host: ContractHost) async throws {
        try await host.with { shim in
            let config = shim.sandboxConfig("group")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            _ = try await shim.execute(machine, ["true"])
            let before = try await shim.status(machine)
            let daemon = try #require(try Leftovers.processes(below: shim.socket).first { $0.contains(" serve") })
            let id = try #require(Int32(daemon.split(separator: " ")[0]))
            // As launchd does without AbandonProcessGroup.
            try #require(getpgid(id) == id)
            kill(-id, SIGKILL)
            await shim.kill()
            try await shim.start()
            let after = try await shim.status(machine)
            #expect(after.state == .containerRunning && after.startedAt == before.startedAt)
            #expect(try await shim.execute(machine, ["echo", "still here"]).text == "still here\n")
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `a pod without a slot is told so, and gets one when it is free`(_ host: ContractHost) async throws {
        try await host.with(settings: ["vmSlots: 1"]) { shim in
            let config = shim.sandboxConfig("slots")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let first = try await shim.startMachine("first", in: sandbox, config)
            let refused = await status { _ = try await shim.createMachine("second", in: sandbox, config) }
            #expect(refused?.code == .resourceExhausted)
            #expect(refused?.message.hasPrefix("WaitingForVMSlot:") == true)
            var both = shim.sandboxConfig("both")
            both.annotations["vzcri.dev/vm-slots"] = "2"
            let impossible = await status { [both] in _ = try await shim.runSandbox(both, handler: "vm") }
            #expect(impossible?.code == .invalidArgument)
            // Not removed: ended is enough.
            try await shim.stopContainer(first, grace: 0)
            let second = try await shim.startMachine("second", in: sandbox, config)
            #expect(try await shim.status(second).state == .containerRunning)
            guard host.can(.limit) else { return }
            // The host itself has none left, whoever runs the others.
            try await shim.stopContainer(second, grace: 0)
            try ContractHost.failStarts(6, of: shim)
            let third = try await shim.createMachine("third", in: sandbox, config)
            let full = await status { try await shim.startContainer(third) }
            #expect(full?.message.contains("VZError 6") == true, "\(full as Any)")
            let failed = try await shim.ended(third)
            #expect(failed.exitCode == 128 && failed.reason == "StartError", "\(failed)")
            // Its slot is free all the same.
            try ContractHost.failStarts(nil, of: shim)
            let fourth = try await shim.startMachine("fourth", in: sandbox, config)
            #expect(try await shim.status(fourth).state == .containerRunning)
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `what a machine uses is told, and its memory can be made less but not more`(_ host: ContractHost) async throws
    {
        try await host.with { shim in
            let config = shim.sandboxConfig("stats")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            try await shim.run("true", in: machine)
            let one = try #require(
                try await shim.call(CRI.RuntimeService.containerStats, .init { $0.containerId = machine }).stats)
            let all = try await shim.call(CRI.RuntimeService.listContainerStats, .init()).stats
            #expect(all.map(\.attributes?.id) == [machine])
            for stats in [one] + all {
                #expect(stats.attributes?.metadata?.name == "main")
                #expect((stats.cpu?.usageCoreNanoSeconds?.value ?? 0) > 0)
                #expect((stats.memory?.workingSetBytes?.value ?? 0) > 0)
                #expect((stats.writableLayer?.usedBytes?.value ?? 0) > 0)
            }
            let pod = try #require(
                try await shim.call(CRI.RuntimeService.podSandboxStats, .init { $0.podSandboxId = sandbox }).stats?
                    .linux)
            #expect(pod.network?.defaultInterface?.name == "eth0")
            #expect(pod.containers.count == 1)

            func resize(_ mebibytes: Int64) async throws {
                _ = try await shim.client.call(
                    CRI.RuntimeService.updateContainerResources,
                    .init {
                        $0.containerId = machine
                        $0.linux = .init { $0.memoryLimitInBytes = mebibytes << 20 }
                    }, timeout: .seconds(60))
            }
            try await resize(160)
            #expect(try await shim.status(machine).resources?.linux?.memoryLimitInBytes == 160 << 20)
            try await resize(256)
            #expect(await status { try await resize(512) }?.code == .unimplemented)
            #expect(try await shim.status(machine).resources?.linux?.memoryLimitInBytes == 256 << 20)
            try await shim.run("true", in: machine)
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `a machine is saved while it runs, and what goes on from there is what was saved`(
        _ host: ContractHost
    ) async throws {
        try await host.with(settings: ["vmSlots: 3"]) { shim in
            let config = shim.sandboxConfig("saved")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            try await shim.run("echo memory >/tmp/mark; echo disk >/data/mark; sync", in: machine)
            let place = shim.directory + "/checkpoint"
            _ = try await shim.client.call(
                CRI.RuntimeService.checkpointContainer,
                .init {
                    $0.containerId = machine
                    $0.location = place
                    $0.timeout = 120
                }, timeout: .seconds(150))
            // It goes on, and what it does now is not in there.
            #expect(try await shim.status(machine).state == .containerRunning)
            #expect(
                try await shim.run("cat /tmp/mark; echo later >/tmp/mark; echo later >/data/mark", in: machine)
                    == "memory\n")

            let other = shim.sandboxConfig("restored")
            let restoredIn = try await shim.runSandbox(other, handler: "vm")
            let restored = try await shim.createMachine(
                "main", in: restoredIn, other, annotations: ["vzcri.dev/restore-from": place])
            if host.can(.restore) {
                try await shim.startContainer(restored)
                #expect(try await shim.run("cat /tmp/mark /data/mark", in: restored) == "memory\ndisk\n")
            } else {
                let refused = await status { try await shim.startContainer(restored) }
                #expect(
                    refused?.message.contains("fits the very machine it was saved of only") == true, "\(refused as Any)"
                )
                let end = try await shim.ended(restored)
                #expect(end.exitCode == 128 && end.reason == "StartError", "\(end)")
            }
            #expect(try await shim.run("cat /tmp/mark /data/mark", in: machine) == "later\nlater\n")

            // What speaks over a connection cannot be saved with its machine.
            let job = try await shim.startMachine("job", in: sandbox, config, command: ["sleep", "1000"])
            let unable = await status {
                _ = try await shim.call(
                    CRI.RuntimeService.checkpointContainer,
                    .init {
                        $0.containerId = job
                        $0.location = place + "-job"
                    })
            }
            #expect(unable?.code == .unimplemented, "\(unable as Any)")
            #expect(!FileManager.default.fileExists(atPath: place + "-job"))
            #expect(try await shim.status(job).state == .containerRunning)
        }
    }
}
