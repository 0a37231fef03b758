import Foundation
import Support
import Testing

/// What ends a daemon.
@Suite struct SignalTests {
    @Test(
        "SIGTERM and SIGINT end a daemon in order, and its socket with it (R2)", .timeLimit(.minutes(2)),
        arguments: ["cri-shim", "vk-adapter"], [SIGTERM, SIGINT])
    func ends(_ program: String, by signal: Int32) async throws {
        try await withTemporaryDirectory { directory in
            let socket = directory + "/s"
            try FileManager.default.createDirectory(atPath: directory + "/m", withIntermediateDirectories: true)
            let shim = try Programs.start(
                "cri-shim",
                [
                    "serve", "--root", directory + "/root", "--state", directory + "/state", "--listen",
                    "unix://\(socket)", "--docker-host", "unix://\(directory)/none", "--config", "/dev/null",
                ])
            try await eventually("cri-shim serves") {
                try await Programs.run("cri-shim", ["ctl", "version", "--endpoint", "unix://\(socket)"]).code == 0
            }
            if program == "vk-adapter" {
                let adapter = try Programs.start(
                    "vk-adapter",
                    [
                        "run", "--standalone", "--pod-manifest-path", directory + "/m", "--root", directory + "/vk",
                        "--nodename", "node", "--kubelet-port", "0", "--cri", "unix://\(socket)", "--config",
                        "/dev/null",
                    ])
                try await eventually("vk-adapter has begun") {
                    adapter.errors.contains("listens") || !adapter.isRunning
                }
                adapter.send(signal)
                let outcome = await adapter.wait()
                #expect(outcome.code == 0, "\(adapter.errors)")
            }
            shim.send(signal)
            let outcome = await shim.wait()
            #expect(outcome.code == 0, "\(shim.errors)")
            #expect(!FileManager.default.fileExists(atPath: socket))
        }
    }
}
