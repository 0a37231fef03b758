import Foundation
import Proto
import Support
import Testing

/// What a person does with a machine that does not do what it should.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineDebugTests {
    private func vm(_ shim: ShimProcess, _ arguments: [String]) async throws -> String {
        let outcome = try await Programs.run(
            "cri-shim",
            ["vm"] + arguments + ["--root", shim.directory + "/state", "--config", shim.directory + "/config.yaml"])
        #expect(outcome.code == 0, "\(outcome.errors)")
        return outcome.output
    }

    @Test func `a machine is made as its annotations say, listed, and its console and display can be seen`()
        async throws
    {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("seen")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config,
                annotations: [
                    "vzcri.dev/boot-args": "vzcri.mark=here", "vzcri.dev/disk-size": "128Mi",
                    "vzcri.dev/display": "800x600", "vzcri.dev/log-command": "echo told from inside; sleep 1000",
                ])
            let answer = try await shim.execute(
                machine, ["sh", "-c", "cat /proc/cmdline /sys/block/vda/size"])
            #expect(answer.text.contains("vzcri.mark=here"))
            #expect(answer.text.hasSuffix("\n262144\n"), "\(answer.text)")
            try await eventually("the command in the guest writes the log", within: .seconds(120)) {
                try shim.log(config, "main").contains("told from inside")
            }
            #expect(try shim.log(config, "main") == ["told from inside"])

            let list = try await vm(shim, ["ls"])
            let row = try #require(list.split(separator: "\n").first { $0.hasPrefix(machine.prefix(13)) })
            #expect(row.contains("seen") && row.contains("running") && row.contains("1/256Mi") && row.contains("yes"))
            #expect(try await vm(shim, ["ls", "-q"]) == machine + "\n")
            #expect(try await vm(shim, ["console", "main", "--all"]).contains(LinuxGuest.readyLine))
            let picture = shim.directory + "/picture.png"
            #expect(try await vm(shim, ["screenshot", String(machine.prefix(8)), "-o", picture]) == picture + "\n")
            let bytes = try Data(contentsOf: URL(filePath: picture))
            #expect(bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]))

            try await shim.stopContainer(machine, grace: 0)
            #expect(try await vm(shim, ["ls"]).contains("exited (137)"))
            #expect(try await vm(shim, ["console", machine, "--all"]).contains(LinuxGuest.readyLine))
        }
    }

    @Test func `a job that failed is held, looked into, and ends with its own code when it is stopped`() async throws {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("held")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let job = try await shim.startMachine(
                "job", in: sandbox, config, command: ["sh", "-c", "echo evidence > /tmp/left; exit 7"],
                annotations: ["vzcri.dev/hold-on-failure": "30m"])
            try await eventually("it is held", within: .seconds(120)) {
                try await shim.status(job).reason == "HeldOnFailure"
            }
            let held = try await shim.status(job)
            #expect(held.state == .containerRunning && held.message.contains("ended with 7"), "\(held.message)")
            #expect(try await shim.execute(job, ["cat", "/tmp/left"]).text == "evidence\n")
            #expect(try await vm(shim, ["ls"]).contains("held (7)"))
            try await shim.stopContainer(job, grace: 600)
            let end = try await shim.status(job)
            #expect(end.state == .containerExited && end.exitCode == 7 && end.reason == "Error", "\(end)")
        }
    }
}
