import Foundation
import Proto
import RPC
import Support
import Testing

/// Images made of machines.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineCommitTests {
    private func commit(_ machine: String, as name: String, _ shim: ShimProcess) async throws -> ChildProcess.Outcome {
        try await Programs.run(
            "cri-shim",
            [
                "image", "commit", "--root", shim.directory + "/state", "--config", shim.directory + "/config.yaml",
                machine, name,
            ])
    }

    @Test func `what a machine left on its disk is in the image made of it, and not in the one it was made of`()
        async throws
    {
        try await MachineHost.with { shim in
            var config = shim.sandboxConfig("commit")
            config.annotations["vzcri.dev/keep-disk"] = "true"
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let builder = try await shim.startMachine("builder", in: sandbox, config)
            let written = try await shim.execute(builder, ["sh", "-c", "echo made > /data/note && sync"])
            #expect(written.exitCode == 0)
            let early = try await commit(builder, as: "localhost/child:1", shim)
            #expect(early.code == 1 && early.errors.contains("stop it first"))
            try await shim.stopContainer(builder, grace: 20)
            let made = try await commit(builder, as: "localhost/child:1", shim)
            #expect(made.code == 0 && made.output.hasPrefix("sha256:"), "\(made.errors)")

            for (image, code) in [("localhost/child:1", 0), (MachineHost.image, 1)] as [(String, Int32)] {
                let name = code == 0 ? "child" : "sibling"
                let machine = try await shim.createMachine(name, in: sandbox, config, image: image)
                try await shim.startContainer(machine)
                let read = try await shim.execute(machine, ["cat", "/data/note"])
                #expect(read.exitCode == code && read.text == (code == 0 ? "made\n" : ""), "\(image)")
                try await shim.stopContainer(machine, grace: 0)
            }
        }
    }

    @Test func `a machine whose disk went with it is none to make an image of`() async throws {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("gone")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            try await shim.stopContainer(machine, grace: 0)
            _ = try await shim.ended(machine)
            let refused = try await commit(machine, as: "localhost/child:1", shim)
            #expect(refused.code == 1 && refused.errors.contains("vzcri.dev/keep-disk"), "\(refused.errors)")
        }
    }
}
