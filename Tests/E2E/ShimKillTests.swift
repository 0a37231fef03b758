import Foundation
import Proto
import Support
import Testing

/// `kill -9` of cri-shim while containers run.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ShimKillTests {
    @Test func `a killed shim finds everything again: ids, start times, every log line once, exit codes`() async throws
    {
        var random = Faults.random("killing cri-shim")
        try await ShimProcess.with { shim in
            let config = shim.sandboxConfig("counter")
            let sandbox = try await shim.runSandbox(config)
            // A numbered line every 10 ms until it is told to end.
            let counter = try await shim.startContainer(
                "counter", in: sandbox, config,
                script: "trap 'exit 23' TERM; i=0; while true; do echo line $i; i=$((i+1)); usleep 10000; done")
            let before = try await shim.status(counter)
            let sandboxBefore = try await shim.call(
                CRI.RuntimeService.podSandboxStatus, .init { $0.podSandboxId = sandbox }
            ).status
            try await eventually("it counts") { try shim.log(config, "counter").count > 10 }
            for round in 0..<Faults.rounds {
                // One whose end nobody sees.
                let brief = try await shim.startContainer(
                    "brief\(round)", in: sandbox, config, script: "usleep 150000; exit \(round + 3)")
                try await Task.sleep(for: .milliseconds(Int.random(in: 0...100, using: &random)))
                await shim.kill()
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...600, using: &random)))
                let known = try shim.log(config, "counter").count
                try await shim.start()
                let after = try await shim.status(counter)
                #expect(after.id == before.id)
                #expect(after.startedAt == before.startedAt)
                #expect(after.createdAt == before.createdAt)
                #expect(after.state == .containerRunning)
                #expect(after.metadata == before.metadata)
                let sandboxAfter = try await shim.call(
                    CRI.RuntimeService.podSandboxStatus, .init { $0.podSandboxId = sandbox }
                ).status
                #expect(sandboxAfter?.state == .sandboxReady)
                #expect(sandboxAfter?.createdAt == sandboxBefore?.createdAt)
                #expect(sandboxAfter?.network == sandboxBefore?.network)
                try await eventually("the end of the brief one arrives") {
                    try await shim.status(brief).state == .containerExited
                }
                let end = try await shim.status(brief)
                #expect(end.exitCode == Int32(round + 3))
                try await eventually("the log goes on") { try shim.log(config, "counter").count > known + 10 }
            }
            _ = try await shim.call(
                CRI.RuntimeService.stopContainer,
                .init {
                    $0.containerId = counter
                    $0.timeout = 10
                })
            let end = try await shim.status(counter)
            #expect(end.exitCode == 23)
            let lines = try shim.log(config, "counter")
            #expect(lines == (0..<lines.count).map { "line \($0)" })
            #expect(lines.count > 20 * Faults.rounds)
        }
    }

    @Test func `a shim killed while it makes pods leaves none it does not know`() async throws {
        var random = Faults.random("killing cri-shim while it works")
        try await ShimProcess.with { shim in
            for round in 0..<Faults.rounds {
                let work = Task {
                    for number in 0..<20 {
                        let config = shim.sandboxConfig("pod-\(round)-\(number)")
                        let sandbox = try await shim.runSandbox(config)
                        _ = try await shim.startContainer("main", in: sandbox, config, script: "sleep 1000")
                    }
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 50...1500, using: &random)))
                await shim.kill()
                work.cancel()
                _ = await work.result
                try await shim.start()
                // What was half made is shown, and everything can be removed.
                try await shim.removeEverything()
                let sandboxes = try await shim.call(CRI.RuntimeService.listPodSandbox, .init()).items
                #expect(sandboxes.isEmpty)
                let containers = try await shim.call(CRI.RuntimeService.listContainers, .init()).containers
                #expect(containers.isEmpty)
                try await eventually("nothing of ours is left on the engine") {
                    try await EngineView.containers(labelled: "io.vzcri.instance=\(shim.instance)").isEmpty
                }
                let left = try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/sandboxes")
                #expect(left.isEmpty)
            }
        }
    }
}

extension ShimProcess {
    /// How this shim marks what it makes.
    var instance: String {
        get throws {
            let text = try String(contentsOfFile: directory + "/state/instance", encoding: .utf8)
            return text.trimmingCharacters(in: .whitespacesAndNewlines)
        }
    }
}
