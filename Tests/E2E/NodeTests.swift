import Foundation
import Support
import Testing

/// Pods from manifests on a real engine, through both daemons.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct NodeTests {
    @Test func `a manifest becomes a running pod, and nothing when it goes`() async throws {
        try await NodeProcess.with { node async throws in
            try node.write("web.yaml", NodeProcess.manifest("web", script: "echo hello; sleep 1000"))
            try await eventually("the pod runs") { try await node.pod("web-node")?.status.phase == "Running" }
            let pod = try #require(try await node.pod("web-node"))
            #expect(pod.status.podIP?.isEmpty == false)
            try await eventually("its log can be read") {
                try await node.kubelet("/containerLogs/default/web-node/main").body == "hello\n"
            }
            let missing = try await node.kubelet("/containerLogs/default/nothing/main")
            #expect(missing.status == 404)
            try node.remove("web.yaml")
            try await eventually("the pod is gone") { try await node.pods().isEmpty }
            try await eventually("and so are its containers") {
                try await EngineView.containers(labelled: "io.vzcri.instance=\(node.shim.instance)").isEmpty
            }
            #expect(
                (try? FileManager.default.contentsOfDirectory(atPath: node.directory + "/adapter/pods"))?.isEmpty
                    ?? true)
        }
    }

    @Test func `the kubelet API lets in the token and nobody else`() async throws {
        try await NodeProcess.with { node async throws in
            for path in ["/healthz", "/pods", "/runningpods/", "/containerLogs/default/x/y", "/nothing"] {
                let refused = try await node.kubelet(path, token: "wrong")
                #expect(refused.status == 401, "\(path)")
            }
            let healthy = try await node.kubelet("/healthz")
            #expect(healthy.status == 200)
            let mode =
                try FileManager.default.attributesOfItem(atPath: node.directory + "/adapter/kubelet-token")[
                    .posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test func `restart policies are kept, with counts and back-off`() async throws {
        try await NodeProcess.with { node async throws in
            try node.write("always.yaml", NodeProcess.manifest("always", script: "exit 3"))
            try node.write("failing.yaml", NodeProcess.manifest("failing", script: "exit 4", restartPolicy: "Never"))
            try node.write("done.yaml", NodeProcess.manifest("done", script: "exit 0", restartPolicy: "OnFailure"))
            try await eventually("Never fails") { try await node.pod("failing-node")?.status.phase == "Failed" }
            try await eventually("OnFailure succeeds") { try await node.pod("done-node")?.status.phase == "Succeeded" }
            try await eventually("Always is restarted and backs off") {
                let container = try await node.pod("always-node")?.container
                return container?.restartCount == 1 && container?.state?.waiting?.reason == "CrashLoopBackOff"
            }
            let failed = try #require(try await node.pod("failing-node")?.container)
            #expect(failed.state?.terminated?.exitCode == 4)
            #expect(failed.restartCount == 0)
        }
    }

    @Test func `a broken manifest is one line with file and line, and disturbs no pod`() async throws {
        try await NodeProcess.with { node async throws in
            try node.write("good.yaml", NodeProcess.manifest("good", script: "sleep 1000"))
            try await eventually("the good pod runs") { try await node.pod("good-node")?.status.phase == "Running" }
            let before = try #require(try await node.pod("good-node")?.container?.containerID)
            try node.write("bad.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bad\nspec:\n  containers: [\n")
            try await eventually("the fault is said") { node.adapterErrors.contains("bad.yaml:") }
            // And the good one breaks too: its pod goes on.
            try node.write("good.yaml", "kind: [\n")
            try await eventually("that is said as well") { node.adapterErrors.contains("good.yaml:") }
            #expect(node.adapterErrors.split(separator: "\n").filter { $0.contains("bad.yaml:") }.count == 1)
            let after = try await node.pod("good-node")
            #expect(after?.container?.containerID == before)
            #expect(after?.status.phase == "Running")
        }
    }

    @Test func `an image that is not there is a reason, not a restart`() async throws {
        try await NodeProcess.with { node async throws in
            let manifest = NodeProcess.manifest("lost", script: "true").replacing(
                DockerEngine.image, with: "127.0.0.1:1/no/such:image")
            try node.write("never.yaml", manifest)
            try await eventually("Never says so") {
                try await node.pod("lost-node")?.container?.state?.waiting?.reason == "ErrImageNeverPull"
            }
            try node.write("never.yaml", manifest.replacing("Never", with: "Always"))
            try await eventually("a pull fails with its cause") {
                let waiting = try await node.pod("lost-node")?.container?.state?.waiting
                return ["ErrImagePull", "ImagePullBackOff"].contains(waiting?.reason)
                    && waiting?.message?.contains("127.0.0.1:1/no/such:image") == true
            }
        }
    }

    @Test func `killing either daemon or both changes nothing and loses nothing`() async throws {
        var random = Faults.random("killing both daemons")
        try await NodeProcess.with { node async throws in
            try node.write(
                "counter.yaml",
                NodeProcess.manifest(
                    "counter", script: "i=0; while true; do echo line $i; i=$((i+1)); usleep 10000; done"))
            try node.write("job.yaml", NodeProcess.manifest("job", script: "sleep 3; exit 42", restartPolicy: "Never"))
            try await eventually("they run") {
                let (counter, job) = (try await node.pod("counter-node"), try await node.pod("job-node"))
                return counter?.container?.state?.running != nil && job?.container?.state != nil
            }
            let before = try #require(try await node.pod("counter-node"))
            for round in 0..<max(3, Faults.rounds) {
                let victims = round % 3
                if victims != 1 { await node.shim.kill() }
                if victims != 0 { await node.killAdapter() }
                try await Task.sleep(for: .milliseconds(Int.random(in: 100...1500, using: &random)))
                if victims != 1 { try await node.shim.start() }
                if victims != 0 { try await node.startAdapter() }
                try await eventually("the pod is seen again") {
                    try await node.pod("counter-node")?.container?.state?.running != nil
                }
                let after = try #require(try await node.pod("counter-node"))
                #expect(after.metadata.uid == before.metadata.uid)
                #expect(after.container?.containerID == before.container?.containerID)
                #expect(after.container?.restartCount == 0)
                #expect(after.container?.state?.running?.startedAt == before.container?.state?.running?.startedAt)
                #expect(after.status.podIP == before.status.podIP)
            }
            try await eventually("the job's exit code arrives") {
                try await node.pod("job-node")?.container?.state?.terminated?.exitCode == 42
            }
            let log = try await node.kubelet("/containerLogs/default/counter-node/main").body.split(separator: "\n")
            #expect(log.count > 100)
            #expect(log.map(String.init) == (0..<log.count).map { "line \($0)" })
        }
    }

    @Test func `a start that cannot work is one line`() async throws {
        try await withTemporaryDirectory { directory in
            func run(_ arguments: String...) async throws -> ChildProcess.Outcome {
                try await Programs.run(
                    "vk-adapter",
                    [
                        "run", "--standalone", "--root", directory + "/root", "--kubelet-port", "0",
                        "--kubelet-address", "127.0.0.1",
                    ] + arguments)
            }
            let file = directory + "/config.yaml"
            try Data("adapter:\n  podManifestPaht: /x\n".utf8).write(to: URL(filePath: file))
            expectOneLine(try await run("--config", file), "vk-adapter", code: 78, "\(file):2", "podManifestPath")
            expectOneLine(
                try await run("--config", "/dev/null", "--pod-manifest-path", directory + "/none"), "vk-adapter",
                code: 1, directory + "/none")
            #expect(try await run("--nope").code == 64)
        }
    }
}
